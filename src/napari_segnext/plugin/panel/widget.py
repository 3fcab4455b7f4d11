"""The dock widget: only what is seen; `Annotator` does the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QFormLayout,
    QFrame,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_segnext.plugin.annotator import Annotator
from napari_segnext.plugin.keys import ACTIONS, Keys
from napari_segnext.plugin.layers.inputs import Inputs
from napari_segnext.plugin.panel.case_opening import CaseOpening
from napari_segnext.plugin.panel.controls import make_button, make_line, make_timer
from napari_segnext.plugin.panel.embeddings import EmbeddingsPart
from napari_segnext.plugin.panel.engine_choice import make_engine_choice
from napari_segnext.plugin.panel.files import FilesPanel
from napari_segnext.plugin.panel.finding import FindingPart
from napari_segnext.plugin.panel.help import Help
from napari_segnext.plugin.panel.image_choice import ImageChoice
from napari_segnext.plugin.panel.input_choice import InputChoice
from napari_segnext.plugin.panel.keyboard import Keyboard
from napari_segnext.plugin.panel.leaving import Leaving
from napari_segnext.plugin.panel.model_choice import ModelChoice
from napari_segnext.plugin.panel.objects import ClassPanel, ObjectPanel
from napari_segnext.plugin.panel.propagation import PropagationPart
from napari_segnext.plugin.panel.repair import RepairPart
from napari_segnext.plugin.panel.resume import ResumeOffer, SavingLine, StatusLine
from napari_segnext.plugin.panel.section import Section
from napari_segnext.plugin.panel.series import SeriesPart
from napari_segnext.plugin.panel.start_choice import StartChoice
from napari_segnext.plugin.panel.state import PanelState, Resolver
from napari_segnext.plugin.panel.teaching import TeachingPart
from napari_segnext.plugin.panel.text import TextPart
from napari_segnext.plugin.panel.tools import ToolPanel, make_actions
from napari_segnext.plugin.panel.view_buttons import ViewButtons
from napari_segnext.plugin.panel.waiting_bar import WaitingBar
from napari_segnext.plugin.preferences import apply_preferences
from napari_segnext.plugin.work.warming import warm_up
from napari_segnext.plugin.work.worker import Worker

if TYPE_CHECKING:
    import napari

_WIDTH = 300
_WARM_UP_AFTER_MS = 100
_START = "Start", "Make the layers for prompts and objects, and begin"
_STOP = "Stop", "End; the objects stay in their layer, and all of it can be resumed"


class SegNextWidget(QWidget):
    """Choose an image and a model, start, give prompts."""

    def __init__(
        self, viewer: napari.viewer.Viewer, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        # napari hands plugins a stand-in whose layers are stand-ins too, so that a
        # layer would not be found to be itself.
        viewer = getattr(viewer, "__wrapped__", viewer)
        self.viewer = viewer
        self.worker: Worker | None = None
        self.annotator: Annotator | None = None
        self._resolver: Resolver | None = None
        # What is shown of the session, if there is one.
        self._shown: PanelState | None = None
        self.setMinimumWidth(290)
        apply_preferences()
        self._build()
        self._bind_keys()
        self._keyboard = Keyboard(self, viewer)
        self._keyboard.abandoned.connect(self._show_anew)
        self._keyboard.abandoned.connect(self.text.restore)
        self.image_choice.listed.connect(self._images_listed)
        self.image_choice.list_images()
        self._show_state()
        # Once it is drawn.
        self._soon = make_timer(self, self._at_work, _WARM_UP_AFTER_MS)
        self._leaving = Leaving(self)
        self._leaving.left.connect(self._shut_down)

    def start(self, resume: bool = False) -> None:
        """Begin to segment the chosen image; `resume` earlier work without asking."""
        image = self.image_choice.image
        if image is None:
            self.say("Open an image first")
            return
        self.stop()
        apply_preferences()
        self._leaving.watch_window()
        worker = self._at_work()
        image = self.inputs.split_named(image)
        try:
            layers = [image, *self.inputs.others]
            self._inputs = Inputs.of(layers, self._limits.isChecked())
            self.annotator = Annotator(self.viewer, image, worker, self)
        except (ValueError, TypeError) as error:
            self.say(str(error))
            return
        if resume:
            self.annotator.saving.resume_newest()
        self._follow(self.annotator)
        self.annotator.adopting.start_from(self.start_choice.take())
        self._choices.collapse()
        self._keyboard.give_back()
        self._load_model()
        self._show_state()

    def stop(self) -> None:
        """End the session; the objects stay in their Labels layer."""
        if self.annotator is not None:
            self.annotator.close()

    def say(self, text: str) -> None:
        """Write the status line."""
        self._status.say(text)
        self.help.note(text)

    @property
    def status(self) -> str:
        """What the status line says."""
        return str(self._status.text())

    def sizeHint(self) -> QSize:
        """Ask for a narrow dock."""
        return QSize(_WIDTH, super().sizeHint().height())

    def showEvent(self, event: Any) -> None:
        """Get ready once the panel is seen."""
        super().showEvent(event)
        if self.worker is None:
            self._soon.start()

    def closeEvent(self, event: Any) -> None:
        """End the session and the worker with the widget."""
        self._shut_down()
        super().closeEvent(event)

    def _at_work(self) -> Worker:
        """Return the worker; it begins with what every model needs."""
        if self.worker is None:
            worker = self.worker = Worker()
            # It outlives the widget, and is stopped even if Qt deletes that first.
            self.destroyed.connect(lambda: worker.close())
            worker.submit(warm_up())
        return self.worker

    def _shut_down(self) -> None:
        self._soon.stop()
        self.image_choice.close_choice()
        self.series.close_series()
        self._opening.close()
        self.start_choice.close_choice()
        self.views.close_view()
        self.stop()
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def _follow(self, annotator: Annotator) -> None:
        """Serve a session that has begun."""
        self._resolver, self._shown = Resolver(annotator), None
        prompts = annotator.prompts.layers
        keys = Keys(annotator, [self.viewer, annotator.output, *prompts])
        annotator.ended.connect(lambda _: keys.close())
        annotator.said.connect(self.say)
        annotator.passing.connect(partial(self._status.say, passing=True))
        annotator.ready.connect(self._status.say_ready)
        annotator.changed.connect(self._show_state)
        annotator.engine.connect(self._device.setText)
        annotator.engine.connect(self._device.setToolTip)
        annotator.model_kept.connect(self._show_model)
        annotator.waiting.connect(self._waiting.wait)
        annotator.ended.connect(self._ended)
        self.embeddings.follow(annotator.embedding)
        self.text.follow(annotator.phrases)
        self.propagation.follow(annotator)
        self.finding.follow(annotator)
        self._opening.follow(annotator)
        self.repair.follow(annotator.repairing)
        self.teaching.follow(annotator)
        for part in (self.offer, self._status, self._saving):
            part.follow(annotator.saving)

    def _add_section(self, title: str, content: QWidget, tip: str) -> Section:
        """Put a part of the panel that belongs to a session under a title, folded."""
        section = Section(title, content, tip)
        self._sections.addWidget(section)
        return section

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        self.series = SeriesPart()
        self.series.said.connect(self.say)
        self._series_section = Section("Series", self.series, "Many cases, one by one")
        self._opening = CaseOpening(self, self.series)
        choices = QWidget()
        choices.setLayout(self._build_choices())
        self._choices = Section(
            "Image and model", choices, "What is segmented, and by what", unfolded=True
        )
        self.start_button = make_button("Start", "")
        self.start_button.clicked.connect(self._start_or_stop)
        self._calm = make_timer(self, self._allow_start)
        self.offer = ResumeOffer()
        self._status, self._saving = StatusLine(), SavingLine()
        self._waiting = WaitingBar()
        self.views = ViewButtons(self.viewer)
        above = (self._series_section, self._choices, self.start_button, self.views)
        for widget in (*above, self.offer):
            layout.addWidget(widget)
        layout.addWidget(self._build_running(), 1)
        for line in (self._waiting, self._status, self._saving):
            layout.addWidget(line)
        model, device = self.model_choice.currentData, self._device.text
        self.help = Help(self.viewer, model, device, self.say)
        layout.addWidget(Section("Help", self.help, "Guide, keys, report a problem"))
        layout.addStretch(0)

    def _build_running(self) -> QScrollArea:
        """Build what belongs to a session; it scrolls where the window is low."""
        content = QWidget()
        running = QVBoxLayout(content)
        running.setContentsMargins(0, 0, 0, 0)
        running.setSpacing(6)
        self.tools = ToolPanel(self._do, self._sign)
        running.addWidget(self.tools)
        self.text = TextPart(self._load_model)
        running.addWidget(self.text)
        self.objects = ObjectPanel(self._do)
        running.addWidget(self.objects, 1)
        running.addLayout(make_actions(self._do))
        self.propagation = PropagationPart(self._do)
        running.addWidget(self.propagation)
        self._sections = QVBoxLayout()
        self._sections.setSpacing(2)
        running.addLayout(self._sections)
        self.files = FilesPanel(self._do, self.model_choice.currentData)
        self.classes = ClassPanel(self._do, lambda: self.objects.list.selected)
        self.repair = RepairPart(self._do)
        self.finding = FindingPart(self._do)
        self._add_section("Find others", self.finding, "All that look like some")
        self.teaching = TeachingPart(self._do, self.model_choice, self._load_model)
        self._add_section("Teach", self.teaching, "It learns from what you accepted")
        self._add_section("Repair", self.repair, "Holes, specks, borders, splits")
        self._add_section("Classes", self.classes, "What objects are, such as edema")
        self._add_section("Save and load", self.files, "Files of labels and prompts")
        self.embeddings = EmbeddingsPart()
        self._add_section(
            "Embeddings", self.embeddings, "Of slices: clicks are answered from them"
        )
        self._running = QScrollArea()
        self._running.setWidget(content)
        self._running.setWidgetResizable(True)
        self._running.setFrameShape(QFrame.Shape.NoFrame)
        never = Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self._running.setHorizontalScrollBarPolicy(never)
        return self._running

    def _build_choices(self) -> QFormLayout:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.image_choice = ImageChoice(self.viewer)
        self.model_choice = ModelChoice()
        self.model_choice.chosen.connect(self._load_model)
        self._limits = QCheckBox("Use the layer's contrast limits")
        self._limits.setToolTip(
            "Show the model the intensities between the layer's contrast limits, "
            "as they are when the session starts, instead of its own choice"
        )
        self.engine_choice = make_engine_choice()
        self.engine_choice.activated.connect(lambda _: self._load_model())
        self._device = make_line("—")
        self.inputs = InputChoice(self.viewer)
        self.inputs.split.connect(lambda layers: self.image_choice.choose(layers[0]))
        form.addRow("Image", self.image_choice)
        form.addRow(self.inputs)
        self.start_choice = StartChoice(self.viewer)
        form.addRow("Start from", self.start_choice)
        form.addRow("Model", self.model_choice)
        form.addRow("Engine", self.engine_choice)
        form.addRow("Device", self._device)
        form.addRow(self._limits)
        return form

    def _bind_keys(self) -> None:
        """Let the keys of the canvas work in the panel too."""
        for action in ACTIONS:
            shortcut = QShortcut(QKeySequence(action.shown), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(partial(self._do, action.run))

    def _start_or_stop(self) -> None:
        if self.annotator is None:
            self.start()
            # The second half of a double click is no wish to stop, however late.
            self.start_button.setEnabled(False)
            self._calm.start(QApplication.doubleClickInterval())
        else:
            self.stop()

    def _do(self, act: Callable[[Annotator], object]) -> None:
        if self.annotator is not None:
            act(self.annotator)

    def _sign(self, positive: bool) -> None:
        if self.annotator is not None:
            self.annotator.positive = positive

    def choose(self, image: Image, others: Sequence[Image]) -> None:
        """Choose what the model sees: an image, and up to two more."""
        self.image_choice.list_images()
        self.image_choice.choose(image)
        self.inputs.choose(image, others)

    def show_series(self) -> SeriesPart:
        """Unfold the part with the series, and return it."""
        self._series_section.expand()
        return self.series

    def _allow_start(self) -> None:
        self.start_button.setEnabled(bool(self.image_choice.count()))

    def _images_listed(self) -> None:
        image = self.image_choice.image
        self.inputs.show_image(image)
        self.views.show_image(image)
        self._allow_start()

    def _load_model(self) -> None:
        if self.annotator is not None:
            self._device.setText("…")
            model, policy = self.model_choice.currentData(), self.embeddings.policy
            engine, text = self.engine_choice.currentData(), self.text.folder
            self.annotator.load(model, self._inputs, policy, engine, text)
            self.text.refresh()

    def _show_model(self, model: str, engine: str) -> None:
        """Show the model in use, after another could not be loaded."""
        self.model_choice.show_model(model)
        self.engine_choice.setCurrentIndex(self.engine_choice.findData(engine))

    def _ended(self, why: str) -> None:
        self.annotator = self._resolver = None
        self._device.setText("—")
        self._waiting.wait(None)
        self._choices.expand()
        self.say(why)
        self._show_state()

    def _show_anew(self) -> None:
        """Show all of the session, whatever the user has typed over it."""
        self._shown = None
        self._show_state()

    def _show_state(self) -> None:
        """Show what has changed."""
        begun = self.annotator is not None
        text, tip = _STOP if begun else _START
        self.start_button.setText(text)
        self.start_button.setToolTip(tip)
        for choice in (self.image_choice, self.inputs, self.start_choice, self._limits):
            choice.setEnabled(not begun)
        if self._resolver is None or self.annotator is None:
            self._running.hide()
            return
        now, former = self._resolver.resolve(), self._shown
        self._shown, change = now, now.since(former)
        self._running.setVisible(not now.choosing)
        if change.objects:
            listed = None if former is None else former.objects
            row = self.annotator.objects.row
            self.objects.show_state(change.objects, listed, row)
        parts: list[tuple[Any, Any]] = [
            (self.classes, change.classes),
            (self.propagation, change.propagation),
            (self.finding, change.finding),
            (self.text, change.phrase),
            (self.files, change.files),
            (self.tools, change.tools),
            (self.teaching, change.teaching),
        ]
        for part, state in parts:
            if state:
                part.show_state(state)
