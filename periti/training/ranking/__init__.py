"""How a cross-encoder learns to rerank: lists from a first stage, losses, curricula, the training."""
