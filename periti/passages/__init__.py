"""Long documents: their passages, and how scores of passages become scores of documents."""
