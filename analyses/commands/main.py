"""The command `mechprobe`. Errors are one line on standard error and exit code 2."""

from mechprobe.analyses.common import stopping

with stopping.starting():  # Ctrl-C may come at once
    import gc
    import sys
    from typing import NoReturn

    import click

    from mechprobe.analyses.common.console import report_broken_packages, say
    from mechprobe.analyses.common.groups import SETTINGS, Files, examples
    from mechprobe.models.base.errors import Ended, MechprobeError, out_of_memory, reason_of_os
    from mechprobe.models.base.temporary import find_temporary

NAME = "mechprobe"


class Verbs(Files):
    """The files beside this one as commands. Usage errors are one line, and bad input ends with
    exit code 2."""

    def main(self, *args: object, **kwargs: object) -> NoReturn:
        """Run the command and leave the process."""
        # Called without arguments the command is all that this process is there for.
        alone = not args and "args" not in kwargs
        try:
            with stopping.listening(to_the_end=alone):
                self._main(*args, **kwargs)
        finally:
            if alone:
                gc.freeze()  # the process ends: no last look for garbage among torch's objects

    def _main(self, *args: object, **kwargs: object) -> NoReturn:
        find_temporary()
        try:
            code = self._run(*args, **kwargs)
            report_broken_packages()
            sys.exit(code if isinstance(code, int) else 0)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(2)
        except click.ClickException as error:
            where = (
                error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
            )
            _fail(f"{error.format_message()} (see {where or NAME} --help)")
        except MechprobeError as error:
            _fail(str(error))
        except click.Abort as error:
            if isinstance(error.__cause__, EOFError):
                _fail("something ended before all of it was read; try the same command again")
            _stop()
        except (Ended, KeyboardInterrupt):
            _stop()
        except BrokenPipeError:
            sys.exit(1)
        except OSError as error:  # whichever file it is, and whatever the system has against it
            _fail(reason_of_os(error))
        except (MemoryError, RuntimeError) as error:
            if (lacking := out_of_memory(error)) is None:
                raise
            _fail(lacking)

    def _run(self, *args: object, **kwargs: object) -> object:
        try:
            return super().main(*args, **{"prog_name": NAME, **kwargs, "standalone_mode": False})  # type: ignore[call-overload]
        except BaseException:
            # Others' code (clusters, pools) may turn a signal on its way into an error of its own,
            # or leave by itself.
            if stopping.asked():
                _stop()
            raise


def _stop() -> NoReturn:
    text, code = stopping.last_words()
    say(text)
    sys.exit(code)


def _fail(text: str) -> NoReturn:
    say(text)
    report_broken_packages()
    sys.exit(2)


@click.group(
    NAME,
    cls=Verbs,
    package="mechprobe.analyses.commands",
    besides=("main",),
    context_settings=SETTINGS,
    epilog=examples("mechprobe demo", "mechprobe label my_counter", "mechprobe label --help"),
)
@click.version_option(package_name=NAME, prog_name=NAME)
def main() -> None:
    """Which algorithm did this small attention model learn, and how do you know?"""


if __name__ == "__main__":
    main()
