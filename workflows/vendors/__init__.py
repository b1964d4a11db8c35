"""Clients and wire formats of VAPI, Stripe, Twilio and Resend."""
