"""00_start_here in a real browser: typed, clicked, and looked at, as a new user would.

Needs playwright and a Chromium of the system (apt-get install chromium); skipped, with a message, without.
RAGKIT_SCREENSHOTS names a folder to keep the pictures in.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ragkit import data
from ragkit.explore import judgments
from ragkit.explore.shown import title
from tests.project import ragkit as command

pytest.importorskip("playwright", reason="needs playwright: pip install -r requirements.txt")
from playwright.sync_api import Locator, Page, TimeoutError, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TOKEN = "for-this-test-only"
SETTINGS = {  # no question about news over the page
    "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    "docmanager-extension/plugin": '{"autosave": false}',
    "notebook-extension/tracker": '{"windowingMode": "none"}',  # cells out of sight stay in the page
}
COLOURS = ("red", "blue", "green", "black", "white", "grey", "brown", "pink", "golden", "violet")
THINGS = ("lamp", "kettle", "ladder", "carpet", "mirror", "bicycle", "violin", "blanket", "hammer", "bucket",
          "clock", "sofa", "camera", "helmet", "teapot", "basket", "anchor", "drum", "flag",
          "lantern")  # fmt: skip
PLACES = ("attic", "cellar", "garage", "kitchen", "garden", "office", "stable", "tower", "boathouse")
FEVER = "hr-q45"  # of larkfield: until when to ring the manager; its answer is in one document
NASTY = """# <b>Quince</b> <img src=x onerror="window.hit=1">

<script>window.hit = 2</script> quince &lt;jam&gt; [quince](javascript:window.hit=3)
<a href="javascript:window.hit=4">quince</a> $\\href{javascript:window.hit=5}{quince}$ **quince**
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 Markdown files: where a thing of each colour is kept, and beside them one full of markup."""
    folder = tmp_path_factory.mktemp("library")
    for c, colour in enumerate(COLOURS):
        for t, thing in enumerate(THINGS):
            place = PLACES[(3 * c + t) % len(PLACES)]
            text = (
                f"# The {colour} {thing}\n\nSince the spring the {colour} {thing} is kept in the {place}. "
                f"Whoever takes it signs the list at the door and brings it back by Friday.\n"
            )
            if (c, t) != (0, 19):
                (folder / f"{colour}-{thing}.md").write_text(text)
    (folder / "nasty.md").write_text(NASTY)
    assert len(list(folder.glob("*.md"))) == 200
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of the notebook (the committed one is not to be saved over); {} is a path.

    Beside it a folder of notes, another notebook, and a record that lies where this server can show it.
    """
    home = tmp_path_factory.mktemp("lab")
    (home / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", home / "notebooks")
    shutil.copytree(ROOT / "data" / "larkfield" / "corpus" / "people", home / "notebooks" / "notes")
    record = shutil.copytree(ROOT / "data" / "published" / "12_hybrid", home / "records" / "one run #1")
    shutil.copy(ROOT / "notebooks" / "12_hybrid.ipynb", record / "notebook.ipynb")
    listing = json.loads((ROOT / "notebooks" / "00_start_here.ipynb").read_text())
    listing["cells"] = [cell for cell in listing["cells"] if cell["cell_type"] == "code"][-1:]
    listing["cells"][0]["source"] = "from ragkit import explore\nexplore.runs(['../records'])"
    (home / "notebooks" / "runs.ipynb").write_text(json.dumps(listing))
    for name, text in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
           "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
           "IPYTHONDIR": "ipython"}  # fmt: skip
    environment = os.environ | {name: str(home / folder) for name, folder in own.items()}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment.pop("RAGKIT_RUN_DIR", None)
    options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1",
               f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home}", "--no-browser",
               "--allow-root"]  # fmt: skip
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], cwd=home, env=environment,
                                  stdout=log, stderr=log)  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            assert server.poll() is None, (home / "log").read_text()
            try:
                urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"{address}/lab{{}}?token={TOKEN}"
    finally:
        server.terminate()  # it ends its kernels
        server.wait(timeout=30)


@pytest.fixture(scope="module")
def page(lab: str) -> Iterator[Page]:
    """The notebook with all its cells run."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 1600})
        run_all(opened, lab.format("/tree/notebooks/00_start_here.ipynb"))
        yield opened
        browser.close()


def run_all(page: Page, address: str) -> None:
    """Open a notebook whose last cell is explore.runs(), and run its cells."""
    page.set_default_timeout(60_000)
    page.goto(address)
    page.locator(".jp-CodeCell .cm-content").first.wait_for()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    page.locator(".jp-CodeCell .cm-content").first.click()
    for _ in range(6):  # what is run before JupyterLab and the kernel have met is lost without a word
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with suppress(TimeoutError):
            page.locator(".jp-InputPrompt").get_by_text(re.compile(r"\[\d+\]")).first.wait_for(timeout=8000)
            break
    page.get_by_label("Notebook", exact=True).wait_for()


def say(widget: Locator, text: str) -> None:
    """Wait for a status line that holds this text."""
    expect(widget.get_by_role("status").filter(has_text=text)).to_be_visible(timeout=60_000)


def widget(page: Page, label: str) -> Locator:
    """The output of the cell that holds the field of this label."""
    found = page.locator(".jp-Cell-outputWrapper").filter(has=page.get_by_label(label, exact=True))
    found.scroll_into_view_if_needed()
    return found


def picture(of: Locator, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("RAGKIT_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    of.screenshot(path=folder / f"{name}.png")


def test_a_question_is_searched_with_two_systems_and_explained(page: Page, tmp_path: Path) -> None:
    search = widget(page, "Why")
    question = search.get_by_label("Question", exact=True)
    question.fill("how many days of leave in Nakuru?")
    question.press("Enter")
    left, right = (search.get_by_role("region", name=f"results of {name}") for name in ("bm25", "hybrid"))
    expect(left.get_by_role("listitem")).to_have_count(10)
    expect(right.get_by_role("listitem")).to_have_count(10)
    expect(left.locator("mark").filter(has_text=re.compile("^leave$", re.I)).first).to_be_visible()
    expect(right).to_contain_text(re.compile("up \\d|down \\d|only here|same place"))
    expect(left).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d · current · score \d"))
    search.get_by_label("Number (Why)", exact=True).focus()
    page.keyboard.press("ArrowUp")  # number 1
    expect(search.get_by_role("table", name="BM25: what each word adds")).to_contain_text("nakuru")
    expect(search.get_by_text("The encoder's nearest sentence")).to_be_visible()
    expect(search.get_by_role("region", name="text of")).to_be_visible()
    picture(search, "search", tmp_path)


def test_every_field_can_be_reached_with_the_tab_key(page: Page) -> None:
    search = widget(page, "Why")
    search.get_by_label("Collection", exact=True).focus()
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(
            "(e => (e.labels && e.labels.length ? e.labels[0] : e).textContent)(document.activeElement)"
        ))  # fmt: skip
    for label in ("Open", "Examples", "Question", "Search", "System", "beside it", "Results", "Why"):
        assert label in seen, seen


def test_a_new_user_searches_and_judges_a_folder_and_runs_an_experiment_on_it(
    page: Page, library: Path, tmp_path: Path
) -> None:
    begin = time.monotonic()
    search = widget(page, "Why")
    search.get_by_label("Collection", exact=True).fill(str(library))
    search.get_by_role("button", name="Open").click()
    say(search, "200 documents; ask something")
    search.get_by_label("Question", exact=True).fill("quince")
    search.get_by_role("button", name="Search").click()
    left = search.get_by_role("region", name="results of bm25")
    expect(left).to_contain_text('<b>Quince</b> <img src=x onerror="window.hit=1">')
    assert time.monotonic() - begin < 60
    search.get_by_label("Why", exact=True).select_option(index=1)
    expect(search.get_by_role("region", name="text of")).to_contain_text("<script>window.hit = 2</script>")
    assert search.locator("img, script, iframe, mjx-container, a[href^='javascript']").count() == 0
    assert page.evaluate("window.hit") is None
    picture(search, "search_own", tmp_path)

    judge = widget(page, "Keys")
    judge.get_by_label("Folder", exact=True).fill(str(library))
    judge.get_by_label("Your name", exact=True).fill("ada")
    judge.get_by_role("button", name="Open").click()
    say(judge, "200 documents; add a question to judge")
    told = judge.get_by_role("status")
    for n in range(10):
        colour, thing = COLOURS[n], THINGS[2 * n]
        judge.get_by_label("New", exact=True).fill(f"Where do I find the {colour} {thing}?")
        judge.get_by_label("New", exact=True).press("Enter")
        say(judge, f"q{n + 1}, document 1 of")
        documents = int(re.findall(r"document 1 of (\d+)", told.inner_text())[0])
        assert documents >= 10
        expect(judge.get_by_label("Keys", exact=True)).to_be_focused()
        for place in range(1, documents + 1):
            text = judge.get_by_role("region", name="text of").inner_text()
            grade = 2 if f"The {colour} {thing}" in text else 1 if thing in text and colour in text else 0
            page.keyboard.type(str(grade))
            say(
                judge,
                f"document {place + 1} of" if place < documents else f"{documents} of {documents} judged",
            )
        if n == 0:
            picture(judge, "judge_end", tmp_path)
    judge.get_by_role("button", name="Back").click()
    expect(judge.get_by_label("Keys", exact=True)).to_be_focused()  # else two zeros would ask for a restart
    say(judge, "graded")
    picture(judge, "judge_back", tmp_path)
    cells = page.locator(".jp-Cell").count()
    judge.get_by_role("region", name="text of").click()
    page.keyboard.press("b")  # a new cell, were it one of JupyterLab's keys
    judge.get_by_label("Keys", exact=True).focus()
    assert page.locator(".jp-Cell").count() == cells
    page.keyboard.type("bb00")
    say(judge, "q10, document")
    assert page.get_by_role("dialog").count() == 0
    loaded = data.load(str(library))
    assert len(loaded.queries) == 10
    assert all(judged for judged in loaded.qrels.values())
    assert judgments.Judgments(library, name="ada").mine == loaded.qrels
    assert len(loaded.answerable) >= 9  # the last question's may just have been graded 0

    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "12_hybrid.ipynb", tmp_path / "notebooks")
    (tmp_path / "ragkit").symlink_to(ROOT / "ragkit")
    status, out, err = command(tmp_path, "sweep", "12_hybrid", "-p", f"collection={library}")
    assert status == 0, err
    assert "1 runs made, 0 done before, 0 failed" in out
    assert re.search(r"minmax +nDCG@10 +[01]\.\d+", out), out


def test_a_folder_beside_the_notebook_is_judged_by_its_short_path(page: Page, tmp_path: Path) -> None:
    known = data.load("larkfield", "test")
    judged = {title(known, doc_id): grade for doc_id, grade in known.qrels[FEVER].items()}
    judge = widget(page, "Keys")
    judge.get_by_label("Folder", exact=True).fill("notes")
    judge.get_by_label("Your name", exact=True).fill("ada")
    judge.get_by_role("button", name="Open").click()
    say(judge, "99 documents; add a question to judge")
    judge.get_by_label("Keys", exact=True).fill("")  # what was typed for another folder
    judge.get_by_label("New", exact=True).fill(known.queries[FEVER])
    judge.get_by_label("New", exact=True).press("Enter")
    say(judge, "q1, document 1 of")
    documents = int(re.findall(r"document 1 of (\d+)", judge.get_by_role("status").inner_text())[0])
    expect(judge.get_by_label("Keys", exact=True)).to_be_focused()
    right = 0
    for place in range(1, documents + 1):
        say(judge, f"q1, document {place} of")
        name = judge.get_by_role("region", name="text of").get_attribute("aria-label") or ""
        grade = judged.get(name.removeprefix("text of "), 0)
        right = place if grade == 2 else right
        page.keyboard.type(str(grade))
    say(judge, f"{documents} of {documents} judged, saved in judgments/ada.tsv")
    assert right, "no system found the document that answers the question"
    for _ in range(documents - right + 1):
        page.keyboard.type("b")
    say(judge, f"document {right} of {documents}, graded 2")
    expect(judge).not_to_contain_text(str(ROOT))
    picture(judge.locator(".widget-vbox").first, "judge", tmp_path)


def test_wins_and_losses_of_a_record_are_listed_and_opened(page: Page, tmp_path: Path) -> None:
    wins = widget(page, "Questions")
    wins.get_by_label("Runs", exact=True).select_option(label=re_label(wins, r"12_hybrid\s·\slarkfield"))
    say(wins, "questions:")
    expect(wins.get_by_role("img", name="differences in nDCG@10, largest first")).to_be_visible()
    questions = wins.get_by_label("Questions", exact=True)
    expect(questions.locator("option").nth(1)).to_contain_text("+")
    wins.get_by_label("Number (Questions)", exact=True).focus()
    page.keyboard.press("ArrowUp")  # number 1
    expect(wins.get_by_role("table", name="Judged documents")).to_contain_text("grade")
    picture(wins, "wins", tmp_path)
    wins.get_by_label("Document", exact=True).select_option(index=1)
    expect(wins.get_by_role("region", name="text of")).to_be_visible()
    plot = wins.get_by_role("img", name="differences in nDCG@10, largest first")
    size, many = plot.bounding_box(), questions.locator("option").count() - 1
    assert size
    for number in (many, 1, 7):
        plot.click(position={"x": size["width"] * (number - 0.5) / many, "y": size["height"] / 2})
        expect(wins.get_by_label("Number (Questions)", exact=True)).to_have_value(str(number))
        chosen = questions.locator("option").nth(number).inner_text()
        expect(questions.locator("option:checked")).to_have_text(chosen)
        text = re.split(r":\s", chosen, maxsplit=1)[1]
        expect(wins.locator("p > b")).to_contain_text(" ".join(text.split()))


def re_label(of: Locator, beginning: str) -> str:
    """The whole label of the first run that begins so."""
    options = of.get_by_label("Runs", exact=True).locator("option").all_inner_texts()
    return next(text for text in options if re.match(rf"\d+\.\s{beginning}", text))


def test_recorded_runs_are_filtered_and_compared(page: Page, tmp_path: Path) -> None:
    runs = widget(page, "Notebook")
    runs.get_by_label("Notebook", exact=True).select_option("12_hybrid")
    runs.get_by_label("Collection", exact=True).select_option("larkfield")
    options = runs.get_by_label("Runs", exact=True).locator("option")
    expect(options.first).to_contain_text("12_hybrid")
    assert all(re.match(r"\d+\.\s12_hybrid", text) for text in options.all_inner_texts())
    runs.get_by_label("Numbers (Runs)", exact=True).fill("1")
    page.keyboard.press("Enter")
    table = runs.get_by_role("table", name="Compared")
    expect(table.get_by_role("row").filter(has_text="minmax")).to_contain_text("nDCG@10")
    # the links come behind the table: finding the server imports its package first, seconds where all is busy
    expect(runs.get_by_role("listitem")).to_contain_text("notebook", timeout=60_000)
    picture(runs, "runs", tmp_path)


def test_the_notebook_of_a_run_is_opened_by_its_link(page: Page, lab: str) -> None:
    assert page.context.browser
    listing = page.context.browser.new_context().new_page()
    run_all(listing, lab.format("/workspaces/runs/tree/notebooks/runs.ipynb"))  # else it opens both
    runs = widget(listing, "Notebook")
    runs.get_by_label("Numbers (Runs)", exact=True).fill("1")
    listing.keyboard.press("Enter")
    with listing.expect_popup() as popup:
        runs.get_by_role("link", name="open its notebook").click()
    opened = popup.value
    opened.set_default_timeout(60_000)
    recorded = json.loads((ROOT / "notebooks" / "12_hybrid.ipynb").read_text())
    first_line = "".join(recorded["cells"][0]["source"]).splitlines()[0]
    heading = opened.locator(".jp-Notebook").get_by_role("heading", level=1)
    expect(heading.filter(has_text=first_line.strip("# "))).to_be_visible(timeout=60_000)
    assert "/lab/tree/records/one%20run%20%231/notebook.ipynb" in opened.url
    assert opened.get_by_role("dialog").count() == 0
    opened.close()
    listing.close()
