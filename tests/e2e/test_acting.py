from tests.e2e.acting import place_speak_and_end
from tests.e2e.product import Product


def test_a_call_is_placed_spoken_into_and_ended(product: Product) -> None:
    place_speak_and_end(product)
