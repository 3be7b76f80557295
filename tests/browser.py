"""Chromium without a window: what a page looks like to people, measured in the page itself."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_RESULT = re.compile(r'<pre id="measured">(.*?)</pre>', re.DOTALL)

# Contrast of text with what lies behind it (WCAG 2.2, 1.4.3: 4.5, and 3 for large text), and the page's own width.
_MEASURE = """
<script>
addEventListener("load", () => {
  // Red, green, blue and opacity, each from 0 to 1.
  const channels = text => {
    const [red, green, blue, opacity = 1] = text.match(/[\\d.]+/g).map(Number);
    const most = text.startsWith("color(") ? 1 : 255;
    return [red / most, green / most, blue / most, opacity];
  };
  const light = color => color.slice(0, 3)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = element => {
    if (!element) return [1, 1, 1];
    const color = channels(getComputedStyle(element).backgroundColor);
    const under = color[3] < 1 ? behind(element.parentElement) : color;
    return under.map((value, index) => color[3] * color[index] + (1 - color[3]) * value);
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join("");
    if (!own || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const color = element instanceof SVGElement ? style.fill : style.color;
    const [high, low] = [light(channels(color)), light(behind(element))].sort((a, b) => b - a);
    const isLarge = parseFloat(style.fontSize) >= 24;
    if ((high + 0.05) / (low + 0.05) < (isLarge ? 3 : 4.5)) faint.push(own);
  }
  parent.postMessage(JSON.stringify({
    faint,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    width: innerWidth,
    widest: document.documentElement.scrollWidth,
    scrolled: [...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).length,
    unnamed: [...document.querySelectorAll("img:not([alt]), svg:not([aria-label])")].length,
    smallest: Math.min(...[...document.querySelectorAll("svg text")].map(text => {
      const svg = text.ownerSVGElement;
      return parseFloat(getComputedStyle(text).fontSize) * svg.clientWidth / svg.viewBox.baseVal.width;
    })),
  }), "*");
});
</script>
"""

# A window has a least width, which is more than a phone's; a frame in it does not.
_FRAME = """
<!doctype html>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<script>
addEventListener("message", event => {
  const place = document.createElement("pre");
  place.id = "measured";
  place.textContent = event.data;
  document.body.append(place);
});
</script>
<body><iframe src="PAGE" style="width: WIDTHpx; height: 900px; border: 0"></iframe></body>
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The measures that a browser takes of a page.

    Attributes:
        faint: texts whose contrast is too low.
        dark: whether the page was asked for in dark colors.
        width: of the frame that the page is in, in pixels.
        widest: of the page; more than the frame's if it has to be moved sideways.
        scrolled: the number of tables that are wider than their place.
        unnamed: the number of pictures and charts without words.
        smallest: the size of the smallest text in a chart, in pixels.
        errors: the messages of the browser's console.
    """

    faint: list[str]
    dark: bool
    width: int
    widest: int
    scrolled: int
    unnamed: int
    smallest: float
    errors: list[str]


def measure(page: Path, folder: Path, *, width: int, dark: bool) -> Measured:
    """Open a page in Chromium, and measure it; skip the test where there is no Chromium."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here")
    copy = folder / f"measured-{page.name}"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{_MEASURE}</body>"), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(_FRAME.replace("PAGE", copy.as_uri()).replace("WIDTH", str(width)), encoding="utf-8")
    # Its sandbox needs a user that is not root; the page is ours.
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    options += [f"--user-data-dir={folder / 'browser'}", "--window-size=1400,1000"]
    # 0 is dark, 1 is light (blink, preferred_color_scheme.mojom).
    options += [f"--blink-settings=preferredColorScheme={int(not dark)}"]
    command = [program, *options, frame.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = _RESULT.search(done.stdout)
    assert found, done.stdout[-2000:]
    text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    errors = re.findall(r"CONSOLE[^\n]*", done.stderr)
    return Measured(**json.loads(text), errors=errors)
