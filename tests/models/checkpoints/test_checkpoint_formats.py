"""The register of formats, and the reading all of them share."""

import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

import mechprobe
from mechprobe.models import MechprobeError, construct, load, save
from mechprobe.models.base.safe.reading import inside, read_json
from mechprobe.models.base.safe.torch_files import read_torch
from mechprobe.models.checkpoints import (
    FORMATS,
    checkpoint_format,
    claimed_accuracy,
    formats,
    native,
    recognised,
)

ROOT = Path(mechprobe.__file__).parents[1]


@pytest.fixture(autouse=True)
def _own_registrations_only():
    """What a test registers is gone when it ends; ours are there before."""
    with FORMATS.isolated():
        yield


def test_ours_are_listed():
    known = formats()
    ours = ["counting", "foreign", "mapped", "native", "positional-semantic", "tracr"]
    assert list(known) == ours
    for name, found in known.items():
        assert FORMATS.registered()[name].source.startswith("mechprobe ")
        assert "\n" not in found.summary


def test_a_format_is_registered_once():
    formats()
    with pytest.raises(MechprobeError, match="'native' is registered twice"):
        checkpoint_format("native", "ours")(native.Native)


class Odd:
    """Reads folders with a file named dot."""

    def recognises(self, folder, config):
        """By the file."""
        return (folder / "dot").exists()

    def read(self, folder, config):
        """A construction; fails where the file says so."""
        if (folder / "dot").read_text():
            raise KeyError("two\nlines")
        return construct("dot", T=5, L=4)


def test_others_formats_are_asked_first_and_may_fail(tmp_path):
    save(construct("lin", T=5, L=4), tmp_path / "lin")
    (tmp_path / "dot").mkdir()
    (tmp_path / "dot" / "dot").write_text("")

    class Broken(Odd):
        def recognises(self, folder, config):
            raise RuntimeError("no")

    checkpoint_format("a-broken", "never")(Broken)
    checkpoint_format("odd", "a file named dot")(Odd)
    assert list(formats())[:2] == ["a-broken", "odd"]
    assert load(tmp_path / "dot").config.architecture == "dot"
    assert load(tmp_path / "lin").config.architecture == "lin"
    (tmp_path / "lin" / "dot").write_text("fail")
    with pytest.raises(MechprobeError) as caught:
        load(tmp_path / "lin")
    assert str(caught.value) == (
        f"{tmp_path / 'lin'}: the reader of the format odd failed: KeyError: 'two\\nlines'"
    )


def test_a_format_that_fails_to_look_is_told_where_none_knows_the_folder(tmp_path):
    class Broken(Odd):
        def recognises(self, folder, config):
            raise AttributeError("no such thing")

    checkpoint_format("my-format", "never")(Broken)
    told = "; my-format failed to look: AttributeError: no such thing"
    for content in (None, "{}"):
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        with pytest.raises(MechprobeError) as caught:
            load(tmp_path)
        assert str(caught.value).endswith(told)


def test_what_a_reader_gives_is_a_model(tmp_path):
    class Wrong(Odd):
        def read(self, folder, config):
            return {"W_E": torch.zeros(2)}

    (tmp_path / "dot").touch()
    checkpoint_format("wrong", "a file named dot")(Wrong)
    with pytest.raises(MechprobeError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: the reader of the format wrong gave a dict, a HookedTransformer is wanted"
    )


def test_readers_without_settings_have_them_applied_and_others_get_them(tmp_path):
    """A reader of two methods stays one; single files go to those that take them."""
    (tmp_path / "dot").touch()
    checkpoint_format("odd", "a file named dot")(Odd)
    assert load(tmp_path, {"sampler": "uniform"}).task().sampler == "uniform"
    with pytest.raises(MechprobeError, match="4 positions, 9 are wanted"):
        load(tmp_path, {"L": 9})

    class Single(Odd):
        advice = "look again"

        def recognises_file(self, file):
            return file.name == "single.pt"

        def read_place(self, place, settings):
            return construct("dot", T=settings.get("T", 5), L=4)

        def claimed(self, place):
            raise KeyError("no table")

    checkpoint_format("single", "single.pt")(Single)
    (tmp_path / "single.pt").write_bytes(b"PK")
    assert load(tmp_path / "single.pt", {"T": 7}).config.T == 7
    assert recognised(tmp_path / "single.pt").name == "single"
    assert claimed_accuracy(tmp_path / "single.pt") == (None, "look again")
    assert load(tmp_path).config.T == 5


@pytest.mark.parametrize("name", ["", "My Format", "a_b", "a-", "\x1b[2J", "x\n"])
def test_names_of_formats_are_words_with_hyphens(name):
    with pytest.raises(MechprobeError, match="lower-case words with hyphens"):
        checkpoint_format(name, "x")(Odd)


def test_an_unknown_folder_lists_what_is_known(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MechprobeError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: ")
    assert all(f"{name}: {known.summary}" in message for name, known in formats().items())


MODULE = """
from mechprobe.models import construct
from mechprobe.models.checkpoints import checkpoint_format


@checkpoint_format("text", "a file of the name NAME.construction")
class Text:
    def recognises(self, folder, config):
        return any(folder.glob("*.construction"))

    def read(self, folder, config):
        (file,) = folder.glob("*.construction")
        return construct(file.stem, T=5, L=4)
"""
BROKEN = """
from mechprobe.models.checkpoints import checkpoint_format

checkpoint_format("half", "x")(type("Half", (), {"read": None, "recognises": None}))
raise RuntimeError("not today")
"""


def test_a_package_brings_a_format(tmp_path):
    """Found through its entry point; one that fails to import is one line and leaves nothing."""
    for module, text in (("text_format", MODULE), ("half_format", BROKEN)):
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mechprobe.formats]\n{module} = {module}\n")
        (info / "top_level.txt").write_text(module)
    (tmp_path / "bos").mkdir()
    (tmp_path / "bos" / "bos.construction").touch()
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "from mechprobe.models import load\n"
        f"print(load({str(tmp_path / 'bos')!r}).config.architecture)\n"
        "from mechprobe.analyses.commands.main import main\n"
        "main(['inspect', '--formats'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr == ("mechprobe: package half_format: RuntimeError: not today; left out\n")
    architecture, first, *rest = done.stdout.splitlines()
    assert architecture == "bos"
    assert first.split() == [
        "text",
        "a",
        "file",
        "of",
        "the",
        "name",
        "NAME.construction",
        "[text_format",
        "1.0]",
    ]
    assert [line.split()[0] for line in rest] == [
        "counting", "foreign", "mapped", "native", "positional-semantic", "tracr",
    ]  # fmt: skip


# -- files --------------------------------------------------------------------------------------


def test_a_link_within_the_folder_and_a_linked_folder_are_followed(tmp_path):
    save(construct("dot", T=5, L=4), tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.rename(tmp_path / "model" / "blob")
    weights.symlink_to("blob")
    (tmp_path / "link").symlink_to("model")
    assert load(tmp_path / "link").config.architecture == "dot"
    # A neighbour whose name begins alike is outside all the same.
    (tmp_path / "model2").mkdir()
    (tmp_path / "model2" / "blob").write_bytes(b"")
    weights.unlink()
    weights.symlink_to("../model2/blob")
    with pytest.raises(MechprobeError, match="leads out of the folder"):
        inside(tmp_path / "model", "model.safetensors")


def test_a_config_of_a_mebibyte_is_read(tmp_path):
    (tmp_path / "config.json").write_text('{"a": "' + "x" * (2**20 - 9) + '"}')
    assert len(read_json(tmp_path, "config.json")["a"]) == 2**20 - 9
    (tmp_path / "config.json").write_text('{"a": "' + "x" * (2**20 - 8) + '"}')
    with pytest.raises(MechprobeError, match="larger than 1,048,576 bytes"):
        read_json(tmp_path, "config.json")


def test_meta_that_could_not_be_read_again_is_not_written(tmp_path):
    with pytest.raises(MechprobeError, match="meta is too long"):
        save(construct("dot", T=5, L=4), tmp_path / "model", {"a": "x" * 2**20})
    assert list(tmp_path.iterdir()) == []


def test_state_dicts_of_all_plain_kinds_are_read(tmp_path):
    """As torch itself reads them: types, views, parameters, modules' metadata, scalars."""
    g = torch.Generator().manual_seed(0)
    whole = torch.randn(6, 8, generator=g)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    types = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    state = OrderedDict(module.state_dict())
    state |= {f"type.{kind}": torch.ones(3, dtype=kind) for kind in types}
    state |= {
        "parameter": torch.nn.Parameter(whole.clone()),
        "turned": whole.T,
        "part": whole[1:5, ::2],
        "scalar": torch.tensor(2.5),
        "empty": whole[:0],
    }
    torch.save(state, tmp_path / "a.pt")
    torch.save(module.state_dict(), tmp_path / "b.pt")
    for file in (tmp_path / "a.pt", tmp_path / "b.pt"):
        headers = []
        found = read_torch(file, lambda weights, headers=headers: headers.append(dict(weights)))
        wanted = torch.load(file, weights_only=True)
        assert list(found) == list(wanted) == list(headers[0])
        for name, tensor in wanted.items():
            assert torch.equal(found[name], tensor.detach())
            assert found[name].dtype == tensor.dtype == headers[0][name].dtype
            assert headers[0][name].is_meta
            assert headers[0][name].shape == tensor.shape


def test_records_that_a_state_dict_has_are_read_and_no_others(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "new.pt")
    with zipfile.ZipFile(tmp_path / "new.pt") as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    # What torch 1.6 wrote.
    old = {
        n: r for n, r in records.items() if n.split("/", 1)[1] in ("data.pkl", "data/0", "version")
    }
    for name, content in (
        ("old", old),
        ("program", records | {"new/constants.pkl": b"\x80\x02)."}),
    ):
        with zipfile.ZipFile(tmp_path / f"{name}.pt", "w") as archive:
            for record, value in content.items():
                archive.writestr(record, value)
    assert read_torch(tmp_path / "old.pt", lambda weights: None)["a"].tolist() == [0, 1, 2]
    with pytest.raises(MechprobeError, match="which no state dict does"):
        read_torch(tmp_path / "program.pt", lambda weights: None)


def test_an_older_torch_file_says_what_to_do(tmp_path):
    file = tmp_path / "a.pt"
    torch.save({"a": torch.zeros(2)}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(MechprobeError, match=r"save it again with a torch of 1\.6 or newer"):
        read_torch(file, lambda weights: None)
