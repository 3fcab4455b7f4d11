import numpy as np

from napari_segnext.plugin.sample_data import em, mri


def test_mri_has_its_voxel_size():
    ((volume, layer, kind),) = mri()
    assert kind == "image"
    assert volume.shape == (24, 96, 128)
    assert layer["scale"] == [2.2, 2.0, 2.0]
    assert layer["units"] == "mm"
    assert volume.std() > 0


def test_em_stack_says_that_it_is_generated_and_is_always_the_same():
    ((stack, layer, kind),) = em()
    assert kind == "image"
    assert "generated" in layer["name"]
    assert stack.dtype == np.uint8
    assert np.array_equal(stack, em()[0][0])
