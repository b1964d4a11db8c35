"""Webhook ingress: verify, store once, hand over, answer."""
