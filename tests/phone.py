"""A phone: Chromium without a screen, as large as one, and touched by a finger."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from selenium import webdriver
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from waiting import wait_until

_WIDTH, _HEIGHT = 390, 844
_SWITCHES = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-dev-shm-usage",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
)
PATIENCE_S = 60.0


class Phone:
    """A browser with a new profile in `folder`, until the `with` block ends."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for switch in _SWITCHES:
            options.add_argument(f"--{switch}")
        options.add_argument(f"--user-data-dir={folder}")
        metrics = {"width": _WIDTH, "height": _HEIGHT, "pixelRatio": 2.0, "touch": True, "mobile": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # The driver is named, so selenium looks for none in the network.
        service = webdriver.ChromeService(executable_path=str(shutil.which("chromedriver")))
        self.browser = webdriver.Chrome(options=options, service=service)
        self.browser.set_page_load_timeout(PATIENCE_S)

    def open(self, url: str, *, dark: bool = False) -> None:
        """Open a page, as a phone does whose user likes it light, or dark."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.browser.get(url)

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def see(self, selector: str, text: str) -> None:
        """Wait until the visible text of an element is `text`."""
        wait_until(lambda: self.text(selector) == text, f"'{text}' in {selector}", patience_s=PATIENCE_S)

    def text(self, selector: str) -> str:
        code = "const e = document.querySelector(arguments[0]); return e && e.checkVisibility() ? e.innerText : ''"
        return str(self.browser.execute_script(code, selector))

    def pressed(self) -> list[str]:
        """The buttons that are on: their labels, or what they show."""
        code = "return [...document.querySelectorAll('[aria-pressed=true]')].map(b => b.ariaLabel || b.innerText)"
        return list(self.browser.execute_script(code))

    def tap(self, selector: str) -> None:
        """Press a button with a finger."""
        self._finger(self.find(selector), 0)

    def double_tap(self, selector: str) -> None:
        self._finger(self.find(selector), 0, taps=2)

    def tap_on(self, text: str) -> None:
        """Press the button that shows or is labelled so."""
        xpath = f"//button[.='{text}' or @aria-label='{text}']"
        self._finger(self.browser.find_element(By.XPATH, xpath), 0)

    def drag(self, label: str, share: float) -> None:
        """Drag the fader with this label to the right, by a share of its width."""
        box = self.find(f"input[aria-label='{label}']").find_element(By.XPATH, "..")
        self._finger(box, round(share * box.rect["width"]))

    def _finger(self, element: WebElement, by: int, *, taps: int = 1) -> None:
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        finger = PointerInput(POINTER_TOUCH, "finger")
        actions = ActionBuilder(self.browser, mouse=finger, duration=50)
        for _ in range(taps):
            actions.pointer_action.move_to(element).pointer_down()
            for step in range(1, 5) if by else ():
                actions.pointer_action.move_to(element, round(by * step / 4), 0)
            actions.pointer_action.pointer_up()
        actions.perform()

    def complaints(self) -> list[str]:
        """What the browser's console says, such as of a policy that was broken."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.browser.quit()
