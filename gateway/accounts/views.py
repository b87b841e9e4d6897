"""The account page, API tokens, and the login for programs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model, logout
from django.contrib.auth.views import redirect_to_login
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from gateway.accounts import credentials, tokens
from gateway.accounts.forms import DeleteForm, ProfileForm, TokenForm
from gateway.accounts.models import ApiToken
from gateway.accounts.requests import client_address
from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, GatewayError, NotAuthenticated, UsageError
from gateway.vo.sessions import caller_of
from uws import controller
from uws.access import jobs_of
from uws.models import JobResult
from uws.phases import ACTIVE


def _signed_in(request: HttpRequest) -> Caller | None:
    """The caller, if signed in with the browser: a token must not make or revoke tokens.

    Raises Forbidden for other credentials.
    """
    caller = caller_of(request)
    if caller.is_authenticated and caller.method != "cookie":
        raise Forbidden("The account is managed in the browser.", hint="Sign in there.")
    return caller if caller.is_authenticated else None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Profile, API tokens, limits and use; a POST saves the profile."""
    if _signed_in(request) is None:
        return redirect_to_login(request.get_full_path(), "account_login")
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your profile is saved.")
        return redirect("account")
    return _page(request, profile=form)


@never_cache
@require_POST
def new_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, this once: the answer is not stored and not redirected."""
    if _signed_in(request) is None:
        return redirect_to_login("/account/", "account_login")
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            token, secret = tokens.create(request.user, form.cleaned_data["name"])  # type: ignore[arg-type]
        except UsageError as error:
            form.add_error("name", str(error))
        else:
            return _page(request, new=token, secret=secret)
    return _page(request, token_form=form, status=400)


@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    if _signed_in(request) is None:
        return redirect_to_login("/account/", "account_login")
    token = tokens.revoke(request.user, token_id)  # type: ignore[arg-type]
    if token is not None:
        messages.success(request, f"The token “{token.name}” no longer works.")
    return redirect("account")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Say what goes with the account; a POST with the password deletes it, its jobs and their results.

    Raises
    ------
    Forbidden
        For operators, who remove each other in their own pages.
    """
    caller = _signed_in(request)
    if caller is None:
        return redirect_to_login(request.get_full_path(), "account_login")
    if caller.is_staff:
        raise Forbidden(
            "An operator's account is not deleted here.", hint="Operators' pages: /admin/auth/user/."
        )
    form = DeleteForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _has_password(request, caller, form):
        user = get_user_model().objects.get(username=caller.username)
        for job in jobs_of(caller).filter(parent=None):
            controller.destroy(job)
        logout(request)
        user.delete()
        messages.success(request, "Your account is deleted, with its jobs and their results.")
        return redirect("portal:home")
    return render(request, "account/delete.html", {"form": form, **_use(caller)})


def _has_password(request: HttpRequest, caller: Caller, form: DeleteForm) -> bool:
    """Whether the form has the account's password; if not it says so.  Guesses are counted."""
    password = form.cleaned_data["password"]
    try:
        found: Any = credentials.check_password(caller.username, password, request, client_address(request))
    except NotAuthenticated:
        found = None
    except GatewayError as error:
        form.add_error("password", str(error))
        return False
    # A name may be the address of another account.
    if found is None or found.pk != caller.user_id:
        form.add_error("password", "This is not the password of this account.")
        return False
    return True


def _use(caller: Caller) -> dict[str, Any]:
    """How much of the gateway an account uses."""
    jobs = jobs_of(caller)
    return {
        "jobs": jobs.count(),
        "active_jobs": jobs.filter(phase__in=[phase.value for phase in ACTIVE]).count(),
        "storage": JobResult.objects.filter(job__in=jobs).aggregate(Sum("size"))["size__sum"] or 0,
    }


def _page(request: HttpRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    context.setdefault("profile", ProfileForm(instance=request.user))
    context.setdefault("token_form", TokenForm())
    context |= {
        "tokens": ApiToken.objects.filter(user=request.user, revoked__isnull=True),  # type: ignore[misc]
        "limits": settings.SITE.signed_in,
        **_use(caller_of(request)),
        "base_url": settings.VOGATE_BASE_URL or request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "account/account.html", context, status=status)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def vo_login(request: HttpRequest) -> HttpResponse:
    """A bearer token for a program that shows user name and password (AuthVO draft, `ivoa_bearer`).

    The token comes in the header `X-VO-Bearer` and works for 12 hours.  Credentials come as form fields
    `username` and `password` (tls-with-password) or as Basic; no cookie is set.
    """
    caller = caller_of(request)
    if request.method == "POST" and "username" in request.POST:
        name, password = request.POST["username"], request.POST.get("password", "")
        user: Any = credentials.check_password(name, password, request, client_address(request))
    elif caller.method == "basic":
        user = request.user
    else:
        raise NotAuthenticated("Send a user name and a password.")
    response = HttpResponse(f"{user.get_username()}\n", content_type="text/plain; charset=utf-8")
    response["X-VO-Bearer"] = tokens.short_lived(user)
    response["X-VO-Authenticated"] = user.get_username()
    return response
