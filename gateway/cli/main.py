"""The `vogate` command: one sub-command per thing that an operator or a user does."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable

from gateway.site import SiteError
from gateway.vo.errors import GatewayError


def _django() -> None:
    """Set Django up for the sub-commands that need the database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    import django

    django.setup()


def _serve(args: argparse.Namespace) -> int:
    from gateway.cli import serve

    if problem := serve.problem_with(args.host, args.port):
        return serve.refuse(problem)
    _django()  # what is wrong with the settings is said once, and not by each process again and again
    from django.db import Error

    from gateway.health import waiting_migrations

    with contextlib.suppress(Error):  # a database that is away may come back
        if waiting := waiting_migrations():
            say = "`vogate up --no-serve` or `python manage.py migrate`"
            return serve.refuse(
                f"the database is of another version, {waiting} migrations wait: {say} makes them."
            )
    return serve.main(args)


def _up(args: argparse.Namespace) -> int:
    from gateway.cli import up

    return up.main(args)


def _check(args: argparse.Namespace) -> int:
    _django()
    from gateway.cli import check

    return check.main(args)


def _worker(args: argparse.Namespace) -> int:
    _django()
    from uws import workers

    return int(workers.main(slots=args.slots, end_jobs_on_exit=args.end_jobs) or 0)


def _obscore(name: str) -> object:
    def run(args: argparse.Namespace) -> int:
        _django()
        from obscore import commands

        return int(getattr(commands, name)(args) or 0)

    return run


def _tools(args: argparse.Namespace) -> int:
    from uws.tools import commands

    if args.action == "test":
        from gateway.cli.examples import resolve

        args.resolve = resolve
    return int(getattr(commands, args.action)(args) or 0)


def _replay(name: str) -> object:
    def run(args: argparse.Namespace) -> int:
        _django()
        from uws import replay_commands

        return int(getattr(replay_commands, name)(args) or 0)

    return run


def _publish(name: str) -> object:
    def run(args: argparse.Namespace) -> int:
        _django()
        from tap import publish_commands

        return int(getattr(publish_commands, name)(args) or 0)

    return run


def _operating(name: str) -> object:
    def run(args: argparse.Namespace) -> int:
        _django()
        from uws import operating

        return int(getattr(operating, name)(args) or 0)

    return run


def _remote(name: str) -> object:
    def run(args: argparse.Namespace) -> int:
        from gateway.cli import remote

        return int(getattr(remote, name)(args) or 0)

    return run


def _number(least: int, most: int | None, what: str) -> Callable[[str], int]:
    """A type of arguments."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least or (most and int(text) > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return int(text)

    return read


_port = _number(1, 65535, "a port (1 to 65535)")
_count = _number(1, None, "a number of 1 or more")
_slots = _number(0, None, "a number of 0 or more")


def parser() -> argparse.ArgumentParser:
    """All sub-commands with their options."""
    top = argparse.ArgumentParser(
        prog="vogate", description="An IVOA science gateway: serve it, feed it, use it."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, function: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function)
        return sub

    for name, function, text in (
        ("up", _up, "Prepare the database and the demo archive, then serve (what `make run` does)."),
        ("serve", _serve, "Serve the pages and run the jobs; running jobs survive a restart."),
    ):
        sub = add(name, function, text)
        sub.add_argument(
            "--host",
            default=os.environ.get("HOST") or "127.0.0.1",
            help="address (default $HOST or 127.0.0.1)",
        )
        sub.add_argument(
            "--port",
            type=_port,
            default=os.environ.get("PORT") or "8000",
            help="port (default $PORT or 8000)",
        )
        sub.add_argument("--workers", type=_count, default=2, help="web processes (default 2)")
        sub.add_argument(
            "--slots",
            type=_count,
            default=os.cpu_count() or 1,
            help="jobs that run at once (default: one per core)",
        )
        if name == "up":
            sub.add_argument(
                "--data",
                default=os.environ.get("DATA", ""),
                help="folder of observations of one of the site's collections",
            )
            sub.add_argument("--no-serve", action="store_true", help="prepare only")
    add("check", _check, "Say whether this gateway can work as it is set up, its databases included.")
    sub = add("worker", _worker, "Run jobs.")
    sub.add_argument(
        "--slots",
        type=_slots,
        default=os.cpu_count() or 1,
        help="jobs that run at once (default: one per core; 0 to only look after those of others)",
    )
    sub.add_argument(
        "--end-jobs", action="store_true", help="end running jobs on exit; they are retried at the next start"
    )

    from uws import operating_arguments

    operating_arguments.add_queue(
        add("queue", _operating("queue"), "Look at queues, pause, drain or resume them.")
    )
    operating_arguments.add_gc(
        add("gc", _operating("gc"), "Show (and remove) what jobs left behind; clear expired sessions.")
    )

    from obscore import arguments

    arguments.add_ingest(
        add(
            "ingest",
            _obscore("ingest"),
            "Take observations into the archive, or look again at those that are there.",
        )
    )
    arguments.add_fetch(
        add("fetch", _obscore("fetch"), "Get a public data set from its home, after showing its terms.")
    )
    arguments.add_simulate(add("simulate", _obscore("simulate"), "Make a small simulated archive."))

    from tap import publish_arguments

    publish_arguments.add_publish(
        add("publish", _publish("publish"), "Publish tables from files, replacing those of the same name.")
    )
    publish_arguments.add_unpublish(
        add("unpublish", _publish("unpublish"), "Take a table or a schema out of the archive.")
    )
    publish_arguments.add_tables(add("tables", _publish("tables"), "List what is published."))

    tools = add("tools", _tools, "Check and list the site's tool descriptions.")
    actions = tools.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="check descriptions; errors name file and line")
    check.add_argument("paths", nargs="*", help="YAML files or folders (default: the site's tools)")
    actions.add_parser("list", help="list the tools and whether they can run here")
    test = actions.add_parser("test", help="run the examples of the descriptions")
    test.add_argument("names", nargs="*", help="tools or YAML files (default: all of the site's)")
    new = actions.add_parser("new", help="begin a new tool: a description and a program that run")
    new.add_argument("name")
    new.add_argument("--folder", default="", help="where to write them (default: the site's tools)")

    from uws import replay_arguments

    replay_arguments.add_replay(
        add("replay", _replay("run_replay"), "Run a recorded job again, and compare what comes out.")
    )
    replay_arguments.add_withdraw(
        add("withdraw", _replay("run_withdraw"), "Mark what was made with a calibration or tool version.")
    )

    from gateway.cli import remote_arguments

    remote_arguments.add_query(
        add("query", _remote("query"), "Run an ADQL query on a gateway and save or print the rows.")
    )
    remote_arguments.add_run(
        add("run", _remote("run"), "Run a tool on a gateway, wait, and fetch its results.")
    )
    remote_arguments.add_job(
        add("job", _remote("job"), "Show, follow, fetch, cancel or repeat a job of a gateway.")
    )
    return top


def main(argv: list[str] | None = None) -> int:
    """Entry point; a GatewayError, or a database that is away, becomes one line on stderr and exit status 1."""
    from gateway.client.commands import parse

    args = parse(parser(), argv)
    try:
        return int(args.function(args) or 0)
    except (GatewayError, SiteError) as error:
        print(f"vogate {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if not _is_of_the_database(error):
            raise
        print(f"vogate {args.command}: the database fails: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _is_of_the_database(error: Exception) -> bool:
    """Whether the database is away or full; its other errors are bugs.  Not all sub-commands load Django."""
    module = sys.modules.get("django.db")
    return module is not None and isinstance(error, (module.OperationalError, module.InterfaceError))


if __name__ == "__main__":
    sys.exit(main())
