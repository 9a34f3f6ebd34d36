"""A word that may follow a task's positional arguments: Invoke's parser knows none that may also be left out."""

from __future__ import annotations

import sys

from invoke import Exit, ParseError, Task
from invoke.parser import Argument, Parser, ParserContext
from invoke.program import Program


class MayEndWithAWord(Task):
    """A task of the namespace chamber whose first argument is positional where the command line has a word for it."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        arguments = super().get_arguments(ignore_unknown_help)
        if _left_over(self, super().get_arguments(ignore_unknown_help)):
            arguments[0].positional, arguments[0].default = True, None  # with a default Invoke would not fill it
        return arguments


class TakesNoValue(Task):
    """A task of the namespace chamber that wants a secret, and not here: Invoke would repeat the word as unknown."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        arguments = super().get_arguments(ignore_unknown_help)
        left = _left_over(self, super().get_arguments(ignore_unknown_help))
        if left == ["-"]:
            raise Exit("The value comes from stdin already where that is no terminal: leave out the - at the end.", code=4)
        if left:
            raise Exit("The command line has a word too many. A value is never given there, where every process and the "
                       "shell's history would have it: pipe it in, or type it when asked.", code=4)
        return arguments


def _left_over(task: Task, arguments: list[Argument]) -> list[str]:
    """The words after a task that are neither its flags, its arguments, nor Invoke's own flags."""
    name, words = f"chamber.{task.name.replace('_', '-')}", sys.argv[1:]
    words = words[:words.index("--")] if "--" in words else words
    if name not in words:
        return []
    program = Program()
    own = ParserContext(args=program.core_args() + program.task_args())
    parser = Parser([ParserContext(name, args=arguments)], initial=own, ignore_unknown=True)
    try:
        return parser.parse_argv(words[words.index(name):]).unparsed
    except ParseError:  # Invoke says it, too, and better: it knows where --help stands before the task
        return []
