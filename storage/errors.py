"""What storage can fail with, under the names the ports promise.

StorageError
├── StorageUnavailableError   (a ports.UnavailableError) the server is away or too slow; try again later
├── NotPermittedError         Postgres refused a user's change: the role may not make it
├── MigrationError            (storage/migrate.py) a migration failed
├── SettingsChangedError      (storage/settings.py) settings are no longer what the caller read
├── UnknownAssistantsError    (storage/settings.py) limits for assistants that there are not
└── MissingStatementError     a named statement does not exist; a fault of this code
"""

from actors.ports import UnavailableError


class StorageError(Exception):
    """Root of what storage raises. The cause is kept."""


class StorageUnavailableError(StorageError, UnavailableError):
    """Postgres or Redis is away or did not answer in time. Nothing is known to be written."""


class NotPermittedError(StorageError):
    """Row level security or a missing grant refused a user's change. Nothing of its transaction was written."""


class MissingStatementError(StorageError):
    """A statement was asked for by a name that no file in storage/sql has."""
