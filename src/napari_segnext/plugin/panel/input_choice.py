"""Choosing the second and third input of the model beside the image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QLabel,
    QMenu,
    QPushButton,
    QWidget,
)

from napari_segnext.plugin.layers.channels import (
    channel_axis,
    possible_axes,
    split_channels,
)
from napari_segnext.plugin.layers.inputs import default_others, sort_out
from napari_segnext.plugin.panel.controls import make_combo

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

_NONE = "none"
# A longer beginning that all names share would hide what tells them apart.
_LONG = 8
_TIP = (
    "Another modality or channel that the model sees beside the image, such as T1ce "
    "beside FLAIR. Each is windowed on its own. Without one the image is shown again"
)


class InputChoice(QWidget):
    """Up to two more layers that the model sees; hidden where there is no choice.

    Signals: `split` (the layers that an image was split into).
    """

    split = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._image: Image | None = None
        self._chosen: WeakKeyDictionary[Image, list[Image]] = WeakKeyDictionary()
        self.split_button = QPushButton("Split channels…")
        self.split_button.setToolTip(
            "Make a layer of each channel, so that the model can be shown up to three. "
            "An axis that is not split, such as time, is not segmented along"
        )
        self.split_button.clicked.connect(self._offer_axes)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.combos = (make_combo(""), make_combo(""))
        self._labels = (QLabel("Input 2"), QLabel("Input 3"))
        form.addRow(self.split_button)
        for label, combo in zip(self._labels, self.combos, strict=True):
            combo.activated.connect(self._take)
            form.addRow(label, combo)

    @property
    def others(self) -> list[Image]:
        """The layers chosen beside the image, in order."""
        found = [combo.currentData() for combo in self.combos]
        return [layer for layer in found if layer is not None]

    def show_image(self, image: Image | None) -> None:
        """Offer what fits an image; what was chosen for it before is kept."""
        self._image = image
        layers: list[Image] = []
        reasons: list[str] = []
        if image is not None:
            layers, reasons = sort_out(image, self._viewer.layers)
        self._fill(layers, [] if image is None else self._known(image, layers))
        tip = "\n\n".join([_TIP, *reasons])
        for combo in self.combos:
            combo.setToolTip(tip)
        axes = [] if image is None else possible_axes(image)
        self.split_button.setVisible(bool(axes))
        self.setVisible(bool(axes or layers))

    def choose(self, image: Image, others: Sequence[Image]) -> None:
        """Choose what the model sees beside an image; what does not fit is left out.

        Without others what goes together by itself is chosen.
        """
        if others:
            self._chosen[image] = list(others)
        else:
            self._chosen.pop(image, None)
        self.show_image(image)

    def split_named(self, image: Image) -> Image:
        """Split an image whose channels have an axis that is named so.

        Returns
        -------
        The first channel; or the image, if there is nothing to split
        """
        axis = channel_axis(image)
        return image if axis is None else self._split(image, axis)

    def _known(self, image: Image, layers: list[Image]) -> list[Image]:
        if image in self._chosen:
            return [layer for layer in self._chosen[image] if layer in layers]
        return default_others(image, layers)

    def _fill(self, layers: list[Image], chosen: list[Image]) -> None:
        left = layers
        shared = _shared([layer.name for layer in [self._image, *layers] if layer])
        for number, (label, combo) in enumerate(
            zip(self._labels, self.combos, strict=True)
        ):
            combo.clear()
            combo.addItem(_NONE, None)
            for layer in left:
                name = layer.name[shared:]
                combo.addItem(f"…{name}" if shared else name, layer)
                tip = Qt.ItemDataRole.ToolTipRole
                combo.setItemData(combo.count() - 1, layer.name, tip)
            one = chosen[number] if number < len(chosen) else None
            if one is not None:
                combo.setCurrentIndex(1 + left.index(one))
            seen = bool(left) and number <= len(chosen)
            label.setVisible(seen)
            combo.setVisible(seen)
            left = [layer for layer in left if layer is not one]

    def _take(self) -> None:
        if self._image is not None:
            self._chosen[self._image] = self.others
            self.show_image(self._image)

    def _offer_axes(self) -> None:
        image = self._image
        if image is None:
            return
        axes = possible_axes(image)
        if len(axes) == 1:
            self._split(image, axes[0])
            return
        shape = image.data[0].shape if image.multiscale else image.data.shape
        menu = QMenu(self)
        for axis in axes:
            action = menu.addAction(f"axis {axis}, {shape[axis]} channels")
            action.triggered.connect(lambda _=False, a=axis: self._split(image, a))
        menu.popup(self.split_button.mapToGlobal(self.split_button.rect().bottomLeft()))

    def _split(self, image: Image, axis: int) -> Image:
        layers = split_channels(self._viewer, image, axis)
        self.split.emit(layers)
        return layers[0]


def _shared(names: list[str]) -> int:
    """Return the length of the beginning that names share, if it is long."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = sum(1 for _ in alike)
    return shared if len(names) > 1 and shared > _LONG else 0
