"""What every page shares: the base template and its security policy, styles, scripts, filters."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mechprobe.reports import formatting
from mechprobe.reports.colours import colour_class

TEMPLATES = Path(__file__).parent / "templates"
STYLE = "report.css"  # of every page


def fill(
    template: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    folder: Path | None = None,
    rules: str = "",
    **values: object,
) -> str:
    """A page that loads nothing from elsewhere.

    Args:
        template: its file, which extends `base.html.j2`.
        styles: style sheets beside the one of every page.
        scripts: of the page; nothing else may act on it.
        folder: of templates, styles and scripts that only this page has.
        rules: more style, such as `colours.kind_rules` makes; nothing that a run put into it.
        values: that the template names.
    """
    folders = [TEMPLATES] if folder is None else [folder, TEMPLATES]
    style = Markup("").join(_own(name, folders) for name in (STYLE, *styles)) + Markup(rules)
    # One script, so that one hash allows it.
    script = Markup("\n").join(_own(name, folders) for name in scripts)
    return (
        _environment(folders)
        .get_template(template)
        .render(
            values,
            style=style,
            style_hash=_policy_hash(style),
            script=script,
            script_hash=_policy_hash(script),
        )
    )


def _environment(folders: Sequence[Path]) -> Environment:
    """Templates, escaping whatever a run put into them, with the filters for numbers."""
    templates = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        number=formatting.number,
        percent=formatting.percent,
        counted=formatting.counted,
        sort_key=formatting.sort_key,
        quantity=formatting.quantity,
        span=formatting.span,
        setting=formatting.setting,
        settings=formatting.settings,
        portable=formatting.portable,
        linked=formatting.linked,
        colour_class=colour_class,
    )
    return templates


def _own(name: str, folders: Sequence[Path]) -> Markup:
    """A style sheet or script of ours, as it is."""
    path = next(folder / name for folder in folders if (folder / name).is_file())
    # Our own files, with nothing of the run in them: the only text that is not escaped.
    return Markup(path.read_text(encoding="utf-8"))


def _policy_hash(text: str) -> str:
    """The hash by which the content security policy knows the one style and script that may act."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
