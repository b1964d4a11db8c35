"""The settings of Stripe, Twilio and Resend when they are simulated: addresses of ours, credentials made once."""

from collections.abc import Mapping
from typing import Final

from serve.stack.state import VendorSecrets

# Of whoever names the first setting of a vendor: then the vendor is the real one, and all of its settings are theirs.
_CREDENTIALS: Final = {
    "stripe": ("STRIPE_SECRET_KEY", "STRIPE_BASE_URL"),
    "twilio": ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_BASE_URL"),
    "resend": ("RESEND_API_KEY", "RESEND_BASE_URL"),
}
SENDER_NUMBER: Final = "+15005550006"
"""Twilio's own for tests: https://www.twilio.com/docs/iam/test-credentials"""

SENDER_ADDRESS: Final = "Call supervisor <calls@supervisor.example>"


def vendor_settings(base_url: str, secrets: VendorSecrets, environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of every vendor that `environment` holds no credential or address for."""
    simulated = {
        "stripe": {
            "STRIPE_SECRET_KEY": secrets.stripe_key,
            "STRIPE_WEBHOOK_SECRET": secrets.stripe_webhook,
        },
        "twilio": {
            "TWILIO_ACCOUNT_SID": secrets.twilio_account,
            "TWILIO_AUTH_TOKEN": secrets.twilio_token,
            "TWILIO_FROM": SENDER_NUMBER,
        },
        "resend": {
            "RESEND_API_KEY": secrets.resend_key,
            "RESEND_WEBHOOK_SECRET": secrets.resend_webhook,
            "RESEND_FROM": SENDER_ADDRESS,
        },
    }
    told: dict[str, str] = {}
    for vendor, names in _CREDENTIALS.items():
        if not any(environment.get(name) for name in names):
            told |= simulated[vendor]
            told[f"{vendor.upper()}_BASE_URL"] = f"{base_url}/simulator/{vendor}"
    return told
