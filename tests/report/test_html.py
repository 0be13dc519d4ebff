"""The page: self-contained, escaped, sortable, and silent in a real browser."""

from __future__ import annotations

import html as standard_html
import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sample_table import NASTY, SAMPLE

from cambench.report.formats.claims import Claims
from cambench.report.formats.curves import Curve
from cambench.report.formats.headline import Entry, Headline, Question
from cambench.report.formats.html import Gallery, GalleryRow, Page, Prediction, html
from cambench.report.formats.introduction import Method, Trained

SCRIPT = "<script>document.title = 'broken into'</script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with everything, whose every name tries to break out."""
    path = tmp_path_factory.mktemp("a&b") / "<img src=x onerror=alert(1)>.png"
    Image.fromarray(np.full((40, 60, 3), 128, np.uint8)).save(path)
    signed = np.array([[-1.0, 0.5], [0.25, 2.0]], np.float32)
    rows = [
        GalleryRow(
            path,
            f"{path.name} {SCRIPT}",
            [(5, 5, 30, 30)],
            {"ce": np.ones((7, 7), np.float32), SCRIPT: signed},
            {"ce": Prediction(SCRIPT, False, 0.414), SCRIPT: Prediction("a bird", True, 0.999)},
            f"because {SCRIPT}",
        ),
        GalleryRow(np.zeros((8, 8, 3), np.uint8), "no boxes", (), {"ce": np.zeros((2, 2), np.float32)}),
    ]
    shown = Gallery(f"birds {SCRIPT}", rows, [f"chosen {SCRIPT}"])
    asked = Question(f"how {SCRIPT}?", "top1 (%)", "↑", f"share {SCRIPT}", "more is better")
    entries = [Entry("70.00"), Entry("80.00", best=True, better=True, sentence=f"much {SCRIPT}")]
    found = Headline(SCRIPT, SCRIPT, [asked], [("ce", entries[:1]), (SCRIPT, entries[1:])], "ce")
    about = Trained(SCRIPT, "", "4 classes", "8 images", SCRIPT, [Method(SCRIPT, SCRIPT, "1 seed: 0", [SCRIPT])])
    log = [{"epoch": e, "loss": 2.0 / e, "training_accuracy": None if e == 2 else 10 * e} for e in (1, 2, 3)]
    curves = [Curve(f"run {SCRIPT}", f"ce {SCRIPT}", log, SCRIPT), Curve("r2", "cgc", log, SCRIPT)]
    claims = Claims([(SCRIPT, [{"claim": SCRIPT, "verdict": "supported"}], [])], [SCRIPT])
    provenance = {"path": SCRIPT, "&": "x"}
    return html(Page(f"Report {SCRIPT}", [SAMPLE], curves, [shown], [found], [about], claims, provenance=provenance))


class Links(HTMLParser):
    """Collects what a page could load or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data", "poster")]


def test_nothing_of_the_page_lies_outside_of_it(page: str) -> None:
    parser = Links()
    parser.feed(page)
    assert len(parser.links) > 10 and all(value.startswith(("data:", "#")) for value in parser.links)
    assert not re.search(r"url\(|@import|<link(?![^>]*data:)|<iframe|<script [^>]*src", page)
    assert "default-src 'none'" in page


def test_every_name_is_escaped(page: str) -> None:
    assert SCRIPT not in page and "<img src=x" not in page
    assert page.count("<script") == 1
    assert page.count(standard_html.escape(SCRIPT, quote=False).replace("'", "&#39;")) >= 20
    assert str(NASTY).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page


def test_the_page_shows_what_every_format_shows(page: str) -> None:
    text = re.sub(r"\s+", " ", standard_html.unescape(re.sub(r"<[^>]+>", "", page)))
    for row in SAMPLE.rows:
        for cell in row.cells:
            assert cell.published_text in text
    for sentence in (*SAMPLE.banner, *SAMPLE.notes, SAMPLE.caption):
        assert sentence in text
    assert text.index(SAMPLE.banner[0]) < text.index("80.00")
    assert page.count("data:image/jpeg;base64,") == 5


def test_the_page_says_in_words_what_it_shows(page: str) -> None:
    text = " ".join(standard_html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "✗ says" in text and "41 %" in text and "✓ a bird, >99 %" in text
    assert "for up to 2, against up to 1" in text and "zero everywhere" in text
    assert "against the class nothing for the class" in text and "The thin frame is where the object is." in text
    assert "80.00 ▲ better" in text and "baseline" in text


def test_a_page_without_signed_maps_has_no_colour_against(page: str) -> None:
    row = GalleryRow(np.zeros((8, 8, 3), np.uint8), "x", (), {"ce": np.ones((2, 2), np.float32)})
    text = html(Page("t", galleries=[Gallery("", [row])]))
    assert "against the class" not in text and "thin frame" not in text and "for the class" in text


def test_a_banner_on_one_of_two_tables_names_it() -> None:
    other = replace(SAMPLE, id="demo/2", banner=())
    assert f"demo/1: {SAMPLE.banner[0]}" in html(Page("t", [SAMPLE, other]))
    assert f"demo/1: {SAMPLE.banner[0]}" not in html(Page("t", [SAMPLE]))


def test_an_empty_page_has_no_empty_sections() -> None:
    text = html(Page("nothing"))
    assert "<section" not in text and "<footer" not in text


CLICKS = """
<script>
const heads = [...document.querySelectorAll("tr.leaf button")];
const cells = c => [...document.querySelectorAll("table.data:not(.claims) tbody tr")]
  .map(r => r.cells[c].querySelector(".measured")?.firstChild.textContent.trim() ?? r.cells[c].textContent.trim()[0]);
const seen = [cells(2)];
for (let i = 0; i < 3; i++) { heads[2].click(); seen.push(cells(2)); }
heads[4].click(); seen.push(cells(4));
heads[1].click(); seen.push(cells(1));
const same = document.querySelectorAll("th.same").length;
const pictures = [...document.querySelectorAll(".pictures img")].map(img => img.getBoundingClientRect().width);
const page = document.documentElement;
const out = document.createElement("pre"); out.id = "out";
out.textContent = JSON.stringify({
  seen, same, pictures, over: page.scrollWidth - page.clientWidth, alts: [...document.images].every(img => img.alt),
  main: document.querySelector("main").getBoundingClientRect().width, dark: getComputedStyle(document.body).color,
});
document.body.append(out);
</script>
"""


def browse(chromium: str, text: str, folder: Path, *flags: str) -> tuple[str, list[str]]:
    """The page's DOM after its scripts have run, and what the console said (errors and refused requests)."""
    (folder / "page.html").write_text(text, encoding="utf-8")
    always = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={folder / 'user'}"]
    command = [chromium, *always, *flags, "--virtual-time-budget=3000", "--dump-dom", (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def output(dom: str) -> dict[str, Any]:
    """What the script of `CLICKS` found."""
    out = re.search(r'<pre id="out">(.*?)</pre>', dom, re.S)
    assert out is not None
    return dict(json.loads(standard_html.unescape(out.group(1))))


@pytest.mark.browser
def test_the_browser_has_nothing_to_complain_about_and_sorts(page: str, chromium: str, tmp_path: Path) -> None:
    dom, console = browse(chromium, page.replace("</body>", CLICKS + "</body>"), tmp_path)
    assert console == []
    titles = re.findall(r"<title>(.*?)</title>", dom)
    assert standard_html.unescape(titles[0]) == f"Report {SCRIPT} · cambench", "no script of the data ran"
    told = output(dom)
    original = ["80.00 ± 1.41", "70.50 [69.50, 71.50]", "−5.00 [−6.00, −4.00]"]
    assert told["seen"][:4] == [original, original[::-1], original, original], "as is, up, down, as is"
    assert told["seen"][4] == ["0.4861 [−0.5139, 1.4861]", "—", "—"], "unmeasured cells stay last"
    assert told["seen"][5] == ["a", "B", "C"], "labels sort as words"
    assert told["same"] == 1, "the second ResNet18 in a row is not shown again"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "least", "smallest"), [(1400, 1300, 160), (500, 450, 150)])
def test_the_page_fills_its_window_and_its_pictures_can_be_seen(
    page: str, chromium: str, tmp_path: Path, width: int, least: int, smallest: int
) -> None:
    dom, _ = browse(chromium, page.replace("</body>", CLICKS + "</body>"), tmp_path, f"--window-size={width},900")
    told = output(dom)
    assert told["main"] >= least and told["over"] <= 0, "as wide as the window, and no wider"
    assert len(told["pictures"]) == 5 and min(told["pictures"]) >= smallest
    assert told["alts"], "every picture says what it is"
    assert max(map(int, re.findall(r"\d+", told["dark"]))) < 80, "dark on white"


@pytest.mark.browser
def test_without_scripts_everything_is_there(page: str, chromium: str, tmp_path: Path) -> None:
    bare = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    dom, console = browse(chromium, bare, tmp_path)
    assert console == [] and dom.count("data:image/jpeg;base64,") == 5 and "80.00 ± 1.41" in dom


@pytest.mark.browser
@pytest.mark.parametrize("bad", ["<script>nothing.here()</script>", '<img src="http://127.0.0.1:9/x.png">'])
def test_the_browser_would_have_complained(page: str, chromium: str, tmp_path: Path, bad: str) -> None:
    _, console = browse(chromium, page.replace("</body>", bad + "</body>"), tmp_path)
    assert console
