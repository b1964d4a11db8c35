"""The environment the applications read their settings from when the stack is local."""

from collections.abc import Mapping
from typing import Final

from serve.stack.state import DataFolder, Secrets
from serve.stack.vendor_settings import vendor_settings

DEV_FILE: Final = "CALL_SUPERVISOR_DEV_FILE"


def driver_settings(
    *,
    folder: DataFolder,
    secrets: Secrets,
    environment: Mapping[str, str],
    servers: Mapping[str, str],
    http_port: int,
    live_port: int,
    shards: int,
    replicas: int,
) -> dict[str, str]:
    """Return the settings of this stack; whatever `environment` already sets stays as it is.

    `servers` maps settings (DATABASE_URL, …) to the addresses of the embedded ones. Every setting can so be
    replaced by a real vendor without another mode.
    """
    base_url = f"http://127.0.0.1:{http_port}"
    own = {
        **servers,
        "ENCRYPTION_KEY": secrets.encryption_key,
        "RECORDINGS_URL": (folder.path / "recordings").as_uri(),
        "VAPI_BASE_URL": f"{base_url}/simulator/vapi",
        "SUPABASE_URL": f"{base_url}/simulator/supabase",
        "PUBLIC_BASE_URL": base_url,
        "LIVE_URL": f"ws://127.0.0.1:{live_port}",
    }
    fixed = {
        "HTTP_PORT": str(http_port),
        "LIVE_PORT": str(live_port),
        "SHARDS": str(shards),
        "INGRESS_REPLICAS": str(replicas),
        "EMBEDDED": "true",
        "WEBHOOKS_INSECURE": "true",
        DEV_FILE: str(folder.dev_file),
    }
    (folder.path / "recordings").mkdir(exist_ok=True)
    issuer = {} if "SUPABASE_URL" in environment else {"SUPABASE_SIGNING_KEY": secrets.signing_key}
    vendors = vendor_settings(base_url, secrets.vendors, environment)
    return {**own, **{name: environment[name] for name in own if name in environment}, **fixed, **issuer, **vendors}
