"""A series of cases: which they are, how far each is, and a table over all of them."""

from napari_segnext.series.cases import Case, Modality, read_series
from napari_segnext.series.progress import Progress, State, read_progress
from napari_segnext.series.tables import SeriesTable

__all__ = [
    "Case",
    "Modality",
    "Progress",
    "SeriesTable",
    "State",
    "read_progress",
    "read_series",
]
