"""The words of a song, drawn large: what is sung is lit, and the next lines can be read."""

from collections.abc import Sequence

from PyQt6.QtCore import QPointF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFont,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
    QWheelEvent,
)
from PyQt6.QtWidgets import QWidget

from stemlive.gui.theme import DARK, Theme
from stemlive.realtime.audio_files.words import Line, Place, Words

_REST = "♪"
"""Where nobody sings; dots count the next line in."""
_SIZES_PX = (15, 140)
_WIDTHS, _ROWS = 13, 9
"""How many times the largest size fits into the width, for about 24 letters, and how many rows into the height."""
_NEXT, _BELOW, _PLAIN = 0.72, 0.6, 0.6
_TOP = 0.24
"""Where the line that is sung begins, of the height."""
_NOTCH = 0.1
"""Of the height, that a notch of the wheel moves plain words."""
_SIDE = 12
_CENTRED = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap


class WordsView(QWidget):
    """Shows the words at a place. Plain ones roll with the song; `rolled` carries how far from there, in heights.

    Words with times of their own fade once they are sung, and the one that is sung is lit.
    """

    rolled = pyqtSignal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Words")
        self.setMinimumSize(160, 90)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.theme: Theme = DARK
        self.place = Place()
        self._words: Words | None = None
        self._share, self._roll = 0.0, 0.0
        self._hint = ""
        self._page: list[tuple[float, _Text]] = []
        self._drawn_px: int | None = None

    @property
    def lit(self) -> str:
        """The word that is lit, or the whole line where its words have no times; empty while nobody sings."""
        line = self._line
        if line is None:
            return ""
        if not line.words:
            return line.text
        return line.words[self.place.word].text.strip() if self.place.word >= 0 else ""

    @property
    def size_px(self) -> int:
        """Size of the letters of the line that is sung."""
        least, most = _SIZES_PX
        return max(least, min(most, self.width() // _WIDTHS, self.height() // _ROWS))

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size in which words can be read."""
        return QSize(300, 300)

    def show_words(self, words: Words | None, hint: str = "") -> None:
        """Show other words, or a hint if there are none."""
        self._words, self._hint = words, hint
        self.place = Place()
        self._page = []
        self.update()

    def show_place(self, place: Place, share: float, roll: float) -> None:
        """Show what is sung; of plain words, the `share` of the song that has been played, and `roll` from there on."""
        plain = self._words is not None and not self._words.timed
        if place != self.place:
            self.place = place
            self.setAccessibleDescription("" if self._line is None else self._line.text)
            self.update()
        self._share, self._roll = share, roll
        if plain and self._top_px() != self._drawn_px:
            self.update()

    def show_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self.theme = theme
        self._page = []
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Lay plain words out anew."""
        self._page = []
        super().resizeEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Roll plain words by hand."""
        assert event is not None
        self._roll_by(-_NOTCH * event.angleDelta().y() / 120)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Roll plain words by hand, with the arrows and by pages."""
        assert event is not None
        keys = {Qt.Key.Key_Up: -_NOTCH, Qt.Key.Key_Down: _NOTCH, Qt.Key.Key_PageUp: -0.8, Qt.Key.Key_PageDown: 0.8}
        step = keys.get(Qt.Key(event.key()))
        if step is None or event.modifiers():
            event.ignore()
        else:
            self._roll_by(step)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the words."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self.theme.window))
        if self._words is None:
            painter.setPen(QColor(self.theme.faint))
            painter.drawText(self.rect().adjusted(_SIDE, 0, -_SIDE, 0), _CENTRED, self._hint)
        elif self._words.timed:
            self._paint_timed(painter, self._words)
        else:
            self._paint_plain(painter)

    def _roll_by(self, heights: float) -> None:
        whole = self._hidden_px / max(1, self.height())
        place = min(whole, max(0.0, self._share * whole + self._roll + heights))
        self.rolled.emit(place - self._share * whole)

    @property
    def _line(self) -> Line | None:
        return self._words.lines[self.place.line] if self._words is not None and self.place.line >= 0 else None

    @property
    def _lit(self) -> str:
        """The colour of what is sung."""
        return self.theme.warn if self.theme.dark else self.theme.accent

    def _paint_timed(self, painter: QPainter, words: Words) -> None:
        size, theme = self.size_px, self.theme
        line = self._line
        top = y = _TOP * self.height()
        if line is None or not line.text:
            count = self.place.count
            y += self._text(" ".join("●" * count) or _REST, size, self._lit if count else theme.faint).draw(painter, y)
        else:
            y += self._sung_text(line, size).draw(painter, y)
            if line.below:
                y += self._text(line.below, _BELOW * size, theme.faint).draw(painter, y)
        y += size * 0.5
        for following in words.lines[self.place.line + 1 :]:
            if y > self.height():
                break
            if following.text:
                y += self._text(following.text, _NEXT * size, theme.text).draw(painter, y)
                if following.below:
                    y += self._text(following.below, _BELOW * _NEXT * size, theme.faint).draw(painter, y)
                y += size * 0.3
        before = [sung for sung in words.lines[: max(0, self.place.line)] if sung.text]
        if before:
            text = self._text(before[-1].text, _BELOW * size, theme.faint)
            if text.height < top - size * 0.3:
                text.draw(painter, top - size * 0.3 - text.height)

    def _paint_plain(self, painter: QPainter) -> None:
        self._drawn_px = top = self._top_px()
        for y, text in self._page:
            if top - text.height < y < top + self.height():
                text.draw(painter, y - top)

    def _top_px(self) -> int:
        """Return how much of the plain words is above the window."""
        hidden = self._hidden_px
        return round(min(hidden, max(0.0, self._share * hidden + self._roll * self.height())))

    @property
    def _hidden_px(self) -> float:
        """How much of the plain words does not fit; it lays them out."""
        if not self._page and self._words is not None:
            size, y = max(_SIZES_PX[0], _PLAIN * self.size_px), 8.0
            for line in self._words.lines:
                text = self._text(line.text or " ", size, self.theme.text)
                self._page.append((y, text))
                y += text.height * (1.1 if line.text else 0.6)
        if not self._page:
            return 0.0
        y, last = self._page[-1]
        return max(0.0, y + last.height + 8 - self.height())

    def _sung_text(self, line: Line, size_px: float) -> "_Text":
        """Return the line that is sung: what is over faint, what is sung lit, what comes in full."""
        if not line.words:
            return self._text(line.text, size_px, self._lit, bold=True)
        begin, parts = 0, []
        for number, word in enumerate(line.words[: self.place.word + 1]):
            part = QTextLayout.FormatRange()
            part.start, part.length = begin, len(word.text.encode("utf-16-le")) // 2  # as Qt counts letters
            look = QTextCharFormat()
            look.setForeground(QColor(self._lit if number == self.place.word else self.theme.faint))
            part.format = look
            begin += part.length
            parts.append(part)
        return self._text(line.text, size_px, self.theme.text, bold=True, parts=parts)

    def _text(
        self,
        text: str,
        size_px: float,
        colour: str,
        *,
        bold: bool = False,
        parts: Sequence[QTextLayout.FormatRange] = (),
    ) -> "_Text":
        font = self.font()
        font.setPixelSize(max(_SIZES_PX[0] * 3 // 4, round(size_px)))
        font.setBold(bold)
        return _Text(text, font, QColor(colour), self.width(), parts)


class _Text:
    """A text in as many rows as it needs in a width, in the middle."""

    def __init__(
        self, text: str, font: QFont, colour: QColor, width: int, parts: Sequence[QTextLayout.FormatRange]
    ) -> None:
        self.layout, self._colour, self.height = QTextLayout(text.replace("\n", "\u2028"), font), colour, 0.0
        option = QTextOption(Qt.AlignmentFlag.AlignHCenter)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.layout.setTextOption(option)
        self.layout.setFormats(parts)
        self.layout.beginLayout()
        while (row := self.layout.createLine()).isValid():
            row.setLineWidth(max(1, width - 2 * _SIDE))
            row.setPosition(QPointF(_SIDE, self.height))
            self.height += row.height()
        self.layout.endLayout()

    def draw(self, painter: QPainter, y: float) -> float:
        """Draw it at a height; return its own."""
        painter.setPen(self._colour)
        self.layout.draw(painter, QPointF(0, y))
        return self.height
