"""Senders and receivers have to agree."""

import numpy as np
import pytest

from mechprobe.probes.counting.sharing import Sharing

T = 8
ONE, ALONE = np.zeros(T, dtype=int), np.arange(T)


def test_a_shared_counter() -> None:
    found = Sharing.of(np.full((T, T), 2.0), ONE)
    np.testing.assert_allclose(found.kappa(), np.ones(T))
    assert found.listens(0.3).all()


def test_listening_is_not_writing() -> None:
    """Half of the tokens write and read; the others read what those write and write nothing."""
    X = np.eye(T)
    X[:, : T // 2] = 1.0
    np.fill_diagonal(X, 1.0)
    counters = np.array([0, 0, 0, 0, 1, 2, 3, 4])
    found = Sharing.of(X, counters)
    np.testing.assert_allclose(found.kappa(), [1, 1, 1, 1, 0, 0, 0, 0])
    assert found.listens(0.3).all()


def test_a_loud_sender_does_not_speak_for_all() -> None:
    X = np.eye(T)
    X[:, 0] = 20.0
    X[0, 0] = 1.0
    found = Sharing.of(X, ALONE)
    np.testing.assert_allclose(found.kappa(), np.zeros(T))


def test_signs_have_to_agree() -> None:
    X = np.full((T, T), -0.5)
    np.fill_diagonal(X, 1.0)
    np.testing.assert_allclose(Sharing.of(X, ALONE).kappa(), np.full(T, -0.5))
    X[0, 1:] = 0.5  # the first reads with the other sign than it is read with
    assert Sharing.of(X, ALONE).kappa()[0] == 0


def test_a_group_is_a_pool_of_its_own() -> None:
    counters = np.array([0, 0, 0, 1, 1, 1, 2, 3])
    X = (counters[:, None] == counters).astype(float)
    found = Sharing.of(X, counters)
    np.testing.assert_allclose(found.kappa(), [1, 1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_allclose(found.among(), np.zeros(T))


def test_silent_tokens_have_no_kappa_and_do_not_count_as_receivers() -> None:
    X = np.ones((T, T))
    X[0] = 0.0
    found = Sharing.of(X, ONE).kappa()
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], np.ones(T - 1))
    assert np.isnan(Sharing.of(np.zeros((T, T)), ONE).kappa()).all()


def test_many_at_once() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(1, 0.5, (3, T, T))
    counters = np.array([0, 0, 0, 1, 1, 1, 2, 3])
    each = [Sharing.of(one, counters).kappa() for one in X]
    np.testing.assert_allclose(Sharing.of(X, counters).kappa(), np.stack(each))


@pytest.mark.parametrize("received", [0.25, 1.0])
def test_kappa_is_the_geometric_mean(received: float) -> None:
    X = np.ones((T, T))
    X[0, 1:] = received
    assert Sharing.of(X, ONE).kappa()[0] == pytest.approx(received**0.5)
