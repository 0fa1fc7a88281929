"""Names in C: distinct, and with what the templates make of them."""

from __future__ import annotations

from kaoken.emit.names import Names


def test_equal_wishes_get_numbers() -> None:
    names = Names({"forward"})
    assert [names.fresh(wanted) for wanted in ("forward", "layer", "layer", "layer_2")] == [
        "forward_2",
        "layer",
        "layer_2",
        "layer_2_2",
    ]


def test_a_name_is_not_one_that_an_ending_makes_of_another() -> None:
    """BART's decoder and its decoder.layers: the first one's table of layers had the second one's name."""
    names = Names()
    assert names.fresh("decoder_layers", ("_weights", "_layers")) == "decoder_layers"
    assert names.fresh("decoder", ("_weights", "_layers")) == "decoder_2"
    assert names.fresh("decoder_layers_weights", ("_weights", "_layers")) == "decoder_layers_weights_2"
    assert names.fresh("decoder", ()) == "decoder"
