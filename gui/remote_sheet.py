"""The sheet that tells how a phone gets to the remote."""

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage, QPixmap
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from stemlive.gui.remote_corner import RemoteCorner
from stemlive.gui.theme import number_font
from stemlive.realtime.control.remote import Remote

_QR_PIXELS = 6
"""Of each of its squares."""


class RemoteSheet(QDialog):
    """Address, code, and a QR code with both; a button stops the remote. It may be closed while phones steer."""

    def __init__(self, corner: RemoteCorner, parent: QWidget) -> None:
        super().__init__(parent)
        assert corner.remote is not None
        remote = corner.remote
        self.setWindowTitle("A phone as remote")
        self.address, self.code = QLabel(remote.url), QLabel(f"{remote.code[:3]} {remote.code[3:]}")
        for label, size_px in ((self.address, 18), (self.code, 34)):
            label.setFont(number_font(size_px))
            label.setStyleSheet(f"font-size: {size_px}px;")
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.address.setAccessibleName("Address of the remote")
        self.code.setAccessibleName("Code of the remote")
        self.picture = QLabel()
        if (image := qr_code(remote)) is not None:
            self.picture.setPixmap(QPixmap.fromImage(image))
            self.picture.setAccessibleName("QR code with both")
        note = QLabel(
            "This computer is in no network: only its own browser can reach the remote."
            if remote.local
            else "Whoever is in the same network and knows the code can move the faders. It ends with the window."
        )
        note.setObjectName("faint")
        note.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        stop = buttons.addButton("Stop the remote", QDialogButtonBox.ButtonRole.DestructiveRole)
        assert stop is not None
        self.stop = stop
        self.stop.clicked.connect(corner.stop)
        self.stop.clicked.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        for part in (QLabel("On the phone, open"), self.address, QLabel("and enter"), self.code, self.picture):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(part)
        self.picture.setVisible(image is not None)
        column.addWidget(note)
        column.addWidget(buttons)


def qr_code(remote: Remote) -> QImage | None:
    """Return the remote's link as a QR code; None without the package for it."""
    try:
        import segno
    except ImportError:
        return None
    rows = [
        bytes(0 if dark else 255 for dark in row) for row in segno.make(remote.link, error="l").matrix_iter(border=4)
    ]
    side = len(rows)
    image = QImage(b"".join(rows), side, side, side, QImage.Format.Format_Grayscale8)
    return image.scaled(_QR_PIXELS * side, _QR_PIXELS * side)
