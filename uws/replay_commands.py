"""`vogate replay` and `vogate withdraw`: what an operator does with recorded jobs."""

from __future__ import annotations

import argparse
import json
import time

from django.contrib.auth import get_user_model

from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound, UsageError
from provenance import models
from provenance.records import AgentRecord
from uws import remaking, replay, withdrawing
from uws.comparing import Tolerance
from uws.models import Job
from uws.phases import Phase

__all__ = ["acting_for", "run_replay", "run_withdraw"]


def run_replay(args: argparse.Namespace) -> int:
    """0 if it could be done (and, with --verify or --diff, the products agree), 1 otherwise."""
    job_id = args.job.rstrip("/").rpartition("/")[2]
    caller = acting_for(job_id)
    if args.plan:
        wanted = replay.plan(job_id, caller)
        _print(args, wanted.as_json(), wanted.problems or ("It can be repeated as it was.",))
        return int(bool(wanted.problems))
    tolerance = Tolerance(args.rtol, args.atol)
    if args.diff:
        return _report(args, replay.verify(job_id, args.diff, _staff(), tolerance))
    job = replay.rerun(
        job_id,
        caller,
        changes=dict(_assignment(text) for text in args.set),
        version=args.tool_version,
        accept_changes=args.accept_changes,
    )
    print(f"job {job.pk} is queued")
    if not args.verify:
        return 0
    _wait(job, args.wait)
    return _report(args, replay.verify(job_id, job.pk, _staff(), tolerance))


def acting_for(job_id: str) -> Caller:
    """The job's owner, as whom the operator runs it again; staff where the job or its owner is gone."""
    job = Job.objects.select_related("owner").filter(pk=job_id).first()
    if job is None or job.owner is None:
        return _staff()
    return Caller(user_id=job.owner.pk, username=job.owner.get_username(), method="internal", is_staff=True)


def _staff() -> Caller:
    return Caller(is_staff=True, method="internal")


def _assignment(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text!r} is not NAME=VALUE.")
    return name, value or None


def _wait(job: Job, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not job.is_final:
        if time.monotonic() > end:
            raise NotFound(
                f"Job {job.pk} has not ended after {seconds:g} s; it is {job.phase}.",
                hint="Is a worker running? `vogate worker` runs jobs.",
            )
        time.sleep(0.2)
        job.refresh_from_db(fields=["phase"])
    if job.phase != Phase.COMPLETED:
        print(f"job {job.pk} ended {job.phase}")


def _report(args: argparse.Namespace, found: replay.Verification) -> int:
    lines = []
    for what in ("tool", "parameters", "inputs", "environment", "phase"):
        for name, (first, second) in found.request[what].items():
            lines.append(f"{what} {name}: {first} -> {second}")
    for output in found.outputs:
        lines.append(f"output {output.name}: {output.state}")
        lines += [f"    {line}" for line in output.details]
    lines.append("The products agree." if found.agrees else "The products differ.")
    _print(args, found.as_json(), lines)
    return int(not found.agrees)


def _print(args: argparse.Namespace, document: object, lines: list[str] | tuple[str, ...]) -> None:
    print(json.dumps(document, indent=1, default=str) if args.json else "\n".join(lines))


def run_withdraw(args: argparse.Namespace) -> int:
    if args.status and (args.rerun or args.tell):
        return _follow_up(args, models.Withdrawal.objects.filter(pk=args.status).first())
    if args.status:
        rows = remaking.standing(args.status)
        _print_standing(rows)
        return int(not rows or any(row.state != Phase.COMPLETED for row in rows))
    if not args.subject or not args.reason:
        raise UsageError("A withdrawal needs a subject and --reason.")
    who = _account(args.by) if args.by else None
    touched = withdrawing.touched_by(args.subject)
    for product in touched:
        print(f"{product.entity}  {product.tool}  {product.owner or 'anonymous'}")
    print(f"{len(touched)} products of {len({product.job for product in touched})} jobs are touched")
    if args.dry_run:
        return 0
    withdrawal = withdrawing.withdraw(args.subject, args.reason, who)
    print(f"withdrawal {withdrawal.pk}: `vogate withdraw --status {withdrawal.pk}` tells how far it is")
    return _follow_up(args, withdrawal)


def _follow_up(args: argparse.Namespace, withdrawal: models.Withdrawal | None) -> int:
    """Tell owners, and make again what is touched, now or later."""
    if withdrawal is None:
        raise NotFound(f"There is no withdrawal {args.status}.")
    if args.tell:
        print(f"{withdrawing.tell_owners(withdrawal)} owners were told")
    if args.rerun:
        _print_standing(
            remaking.request(withdrawal, version=args.tool_version, instead=args.instead, tell=args.tell)
        )
    return 0


def _account(name: str) -> AgentRecord:
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        raise NotFound(f"There is no account {name!r}.")
    return AgentRecord(f"user:{user.pk}", name)


def _print_standing(rows: list[remaking.Standing]) -> None:
    for row in rows:
        print(" ".join(filter(None, [f"{row.job}:", row.state, row.new and f"as {row.new}", row.text])))
