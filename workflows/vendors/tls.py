"""The certificate authorities that servers are checked against."""

import ssl
from functools import cache

import httpx


@cache
def tls_context() -> ssl.SSLContext:
    """Those of certifi, or of `SSL_CERT_FILE`, for every client of this process.

    Reading them takes 12 ms of the processor, and a process has a dozen clients. Nobody may change what is returned.
    """
    return httpx.create_ssl_context()
