"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm as AllauthLoginForm
from django import forms
from django.contrib.auth import get_user_model


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """How the gateway calls a person."""

    class Meta:
        model = get_user_model()
        fields = ("first_name", "last_name")
        widgets = {
            "first_name": forms.TextInput(attrs={"autocomplete": "given-name"}),
            "last_name": forms.TextInput(attrs={"autocomplete": "family-name"}),
        }


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(
        label="Name of the new token",
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "my laptop"}),
        help_text="What or where you use it, so that you know which one to revoke.",
    )


class DeleteForm(forms.Form):
    """The password once more, before all goes."""

    password = forms.CharField(
        label="Your password",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class LoginForm(AllauthLoginForm):  # type: ignore[misc]
    """Takes a name or an address, and lets the browser fill in what it keeps as the user name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Username or e-mail"
        self.fields["login"].widget.attrs |= {
            "autocomplete": "username",
            "autocapitalize": "none",
            "placeholder": "",
        }
        self.fields["password"].help_text = ""
