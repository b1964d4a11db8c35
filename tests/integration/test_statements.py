import asyncpg

from storage.statements import statements


async def test_every_statement_fits_the_schema(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    unfit: dict[str, str] = {}
    for name, text in statements().items():
        try:
            await connection.prepare(text)
        except asyncpg.PostgresError as error:
            unfit[name] = str(error)
    await connection.close()
    assert statements()
    assert not unfit
