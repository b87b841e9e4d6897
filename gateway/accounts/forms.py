"""Forms of the account page."""

from __future__ import annotations

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
