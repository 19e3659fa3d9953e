"""Within, torch and numpy are as they start; afterwards as the caller had them."""

from threading import Event, Thread

import numpy as np
import torch

from mechprobe.models.base.settled import settled
from tests.test_global_state import default_dtype


def test_gradients_can_be_taken_whatever_the_caller_is_in() -> None:
    for mode in (torch.inference_mode, torch.no_grad):
        with mode(), settled():
            x = torch.ones(2, requires_grad=True)
            (slope,) = torch.autograd.grad((x * x).sum(), x)
            assert slope.tolist() == [2, 2]


def test_modes_come_back() -> None:
    with (
        torch.inference_mode(),
        default_dtype(torch.float64),
        torch.device("meta"),
        torch.autocast("cpu", dtype=torch.bfloat16),
        np.errstate(all="raise"),
    ):
        with settled():
            made = torch.ones(2, 2)
            assert (made.dtype, made.device.type) == (torch.float32, "cpu")
            assert (made @ made).dtype == torch.float32
            assert not made.is_inference()
            assert np.exp(np.float64(-1000)) == 0
        assert torch.is_inference_mode_enabled()
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device().type == "meta"
        assert torch.is_autocast_enabled("cpu")
        assert np.geterr()["under"] == "raise"


def test_modes_come_back_after_an_error() -> None:
    with default_dtype(torch.float64):
        try:
            with settled():
                raise KeyError
        except KeyError:
            pass
        assert torch.get_default_dtype() == torch.float64


def test_the_last_thread_gives_the_default_type_back() -> None:
    """The first one to leave must not change it under the other."""
    entered, leave = Event(), Event()

    def other() -> None:
        with settled():
            entered.set()
            leave.wait(10)

    thread = Thread(target=other)
    with default_dtype(torch.float64):
        with settled():
            thread.start()
            entered.wait(10)
        assert torch.get_default_dtype() == torch.float32  # the other one still needs it
        leave.set()
        thread.join()
        assert torch.get_default_dtype() == torch.float64
