"""The words of a label: what each kind means, and the mark that stands for it."""

from dataclasses import dataclass

from mechprobe.probes.results import MechanismLabel


@dataclass(frozen=True)
class Term:
    """One kind on one axis of a label.

    Args:
        meaning: a sentence for readers who meet the word here first.
        mark: a letter or sign for the token strip.
    """

    meaning: str
    mark: str = ""


MECHANISMS: dict[str, Term] = {
    "relation-based": Term(
        "The count lies along a direction that all tokens share: one counter (or a few), read for"
        " every token in the same way."
    ),
    "inventory-based": Term(
        "The count of each token lies along a direction of that token's own, and is looked up"
        " there token by token: there are about as many counters as tokens."
    ),
    "mixed": Term(
        "Some tokens share a counter and others have their own, or the causal checks disagree;"
        " the reasons say which."
    ),
    "unsolved": Term(
        "The model does not count well enough to have a counting mechanism, or its count was not"
        " found as a component of the residual stream, or too few tokens can be told apart. It"
        " may then answer right by a mechanism that this rule does not find (docs/mechanisms.md,"
        " Limits). Its evidence is shown all the same: it may lean one way."
    ),
}

ATTENTION: dict[str, Term] = {
    "semantic": Term("where attention goes depends on which tokens stand there"),
    "positional": Term("where attention goes depends on the positions alone"),
    "mixed": Term("where attention goes depends on tokens and on positions"),
    "uninformed": Term(
        "where attention goes depends on neither tokens nor positions: every position is treated"
        " alike"
    ),
}


def meaning(label: MechanismLabel) -> str:
    """A verdict in sentences: attention, then counting where a model counts."""
    sentences = []
    if label.attention is not None:
        said = ATTENTION[label.attention].meaning
        sentences.append(f"{said[0].upper()}{said[1:]}.")
    if label.mechanism is not None:
        sentences.append(MECHANISMS[label.mechanism].meaning)
    return " ".join(sentences)


SIZES = {
    "T": "alphabet size",
    "L": "sequence length",
    "d": "width of the embeddings",
    "p": "hidden neurons",
    "rank": "columns of the queries and keys",
    "teacher_rank": "columns of the teacher's",
}

TOKENS: dict[str, Term] = {
    "shared": Term("follows the count written for other tokens", "S"),
    "private": Term("follows its own count only", "P"),
    "partial": Term("follows others' counts in part", "½"),
    "opposed": Term("moves against others' counts", "−"),
    "silent": Term("does not follow even its own count", "0"),
}
