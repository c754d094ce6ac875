"""A language model behind an endpoint as the judge of pairs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.datasets.selection.quality.critiq import Case
    from periti.datasets.selection.quality.judging import Answer, Criterion, Pair
    from periti.rankers.llm.endpoint import Endpoint


class EndpointJudge:
    """Asks a model which of two texts is better; one answer for each order, answers are kept in a cache file.

    Args:
        endpoint: of an OpenAI-compatible API.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        from periti.rankers.llm.endpoint import Session

        self._endpoint = endpoint
        self.session = Session(endpoint)

    def __call__(self, criterion: Criterion, pairs: Sequence[Pair]) -> Sequence[Sequence[Answer]]:
        """One answer to each ordered pair.

        Raises:
            EndpointError: the endpoint does not answer, after the retries that its settings allow.
        """
        from periti.datasets.selection.quality.prompts import INSTRUCTION, TOKENS, prompt, read_answer
        from periti.rankers.llm.wire import Question

        def ask(pair: Pair) -> tuple[Answer]:
            question = Question(INSTRUCTION, prompt(criterion, *pair), TOKENS)
            return (read_answer(self.session.ask(question).text),)

        with ThreadPoolExecutor(self._endpoint.settings.concurrency) as threads:
            return list(threads.map(ask, pairs))


class EndpointRewriter:
    """Asks the judge's model for a better description of a criterion, shown pairs that it got wrong.

    Args:
        judge: whose session asks.

    Attributes:
        unreadable: answers without a description in them; such criteria stay as they are.
    """

    def __init__(self, judge: EndpointJudge) -> None:
        self._session = judge.session
        self.unreadable = 0

    def __call__(self, criterion: Criterion, cases: Sequence[Case]) -> Criterion | None:
        """The criterion under its name with another description; None if nothing was wrong or none was given.

        Raises:
            EndpointError: the endpoint does not answer, after the retries that its settings allow.
        """
        from dataclasses import replace

        from periti.datasets.selection.quality import prompts
        from periti.rankers.llm.wire import Question

        if not cases:
            return None
        asked = prompts.rewriting_prompt(criterion, [(case.better, case.worse) for case in cases])
        answer = self._session.ask(Question(prompts.REWRITING, asked, prompts.REWRITING_TOKENS))
        description = prompts.read_description(answer.text)
        self.unreadable += not description
        return replace(criterion, description=description) if description else None


def add_judge_options(parser: argparse.ArgumentParser) -> None:
    """Add the endpoint's options."""
    judge = parser.add_argument_group("the judge")
    judge.add_argument("--judge-url", required=True, metavar="URL", help="base URL, e.g. http://localhost:8000/v1")
    judge.add_argument("--judge-model", required=True, metavar="NAME", help="the model's name there")
    judge.add_argument("--judge-key-variable", default="", metavar="NAME", help="environment variable with the key")
    judge.add_argument("--judge-cache", type=Path, metavar="FILE", help="keep answers here and ask none twice")
    judge.add_argument("--judge-concurrency", type=int, default=4, metavar="N", help="calls at a time (default: 4)")


def judge_of(arguments: argparse.Namespace) -> EndpointJudge:
    """The judge of the command line."""
    from periti.rankers.llm.endpoint import Endpoint
    from periti.rankers.llm.settings import EndpointSettings

    if arguments.judge_concurrency < 1:
        raise InputError(f"--judge-concurrency is {arguments.judge_concurrency}; it must be at least 1")
    settings = EndpointSettings(
        arguments.judge_url,
        arguments.judge_model,
        arguments.judge_key_variable,
        concurrency=arguments.judge_concurrency,
    )
    return EndpointJudge(Endpoint(settings, arguments.judge_cache))
