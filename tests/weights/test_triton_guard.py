"""What torch is kept from loading beside a viewer."""

import subprocess
import sys

_IN_A_WORKER = """
import sys
from qtpy.QtCore import QCoreApplication
from napari_segnext.plugin.work.task import Priority, Task
from napari_segnext.plugin.work.worker import Worker

def load(turn):
    import torch._dynamo
    return "triton" in sys.modules

application = QCoreApplication([])
worker = Worker()
task = worker.submit(Task("load", Priority.CLICK, load))
task.finished.connect(lambda seen: (print(seen), application.quit()))
application.exec()
worker.close()
print("triton" in sys.modules)
"""


def test_torch_that_a_job_imports_comes_without_triton_which_others_may_load_later():
    run = [sys.executable, "-c", _IN_A_WORKER]
    result = subprocess.run(run, capture_output=True, text=True, timeout=120)
    # While the job runs the name is taken, by nothing; afterwards it is free.
    assert result.stdout.split() == ["True", "False"], result.stderr
