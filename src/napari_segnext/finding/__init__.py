"""All objects of a kind, from a few of them.

A small network is trained in seconds on the embeddings of the planes in which objects
are known: it tells what lies inside an object of their kind, where borders run, and how
deep inside a pixel lies. In other planes its maps are cut into objects, each of which
prompts the model once; the answers are ranked, and those that overlap are left out.
"""

from napari_segnext.finding.examples import Example
from napari_segnext.finding.finder import Finder
from napari_segnext.finding.learning import learn, learning
from napari_segnext.finding.proposals import Proposal

__all__ = ["Example", "Finder", "Proposal", "learn", "learning"]
