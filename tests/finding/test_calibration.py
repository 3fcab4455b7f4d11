from __future__ import annotations

import numpy as np

from napari_segnext.finding.calibration import Calibration


def test_scores_rise_with_the_contrast_and_are_usual_where_nothing_was_tried() -> None:
    usual, fitted = Calibration(), Calibration.fitted([])
    np.testing.assert_allclose(
        [fitted.usual, fitted.more], [usual.usual, usual.more], atol=1e-6
    )
    scores = [usual.score(contrast) for contrast in (0.2, 0.5, 0.6, 0.9)]
    assert scores == sorted(scores)
    assert 0 < scores[0] < 0.1 and 0.9 < scores[-1] < 1


def test_the_line_moves_to_where_proposals_become_right() -> None:
    contrasts = np.linspace(0, 1, 101)
    for line in (0.4, 0.75):
        tried = [(c, c > line) for c in contrasts.tolist()]
        fitted = Calibration.fitted(tried)
        assert fitted.score(line - 0.1) < 0.5 < fitted.score(line + 0.1)
