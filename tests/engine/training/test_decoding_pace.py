"""Which of decoding and network sets the pace."""

from zorki.engine.training.decoding_pace import DecodingPace

PACE = DecodingPace(decoded=1000.0, used=16.0, clips=20.0, waste=3.1)


def test_the_bottleneck_is_named():
    told = PACE.told(5.0, 2)
    assert told == (
        "frames: each of 2 processes decodes 1,000 a second, 3.1 for each that is used; training used 80 a second: the "
        "bottleneck is the network"
    )
    assert "the bottleneck is decoding; --workers" in PACE.told(39.0, 2)


def test_one_process_does_both_in_turn():
    assert "decoding;" in PACE.told(11.0, 0)
    assert "the network" in PACE.told(9.0, 0)
