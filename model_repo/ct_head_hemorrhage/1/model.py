"""Triton python backend that serves the model.onnx beside it with ONNX Runtime on the CPU.

Generic: tensor names come from the graph. Runs inside the stub's own environment, not in ours.
"""

import json
import os
from pathlib import Path

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # on by default since 1.29, and read at import

import onnxruntime
import triton_python_backend_utils as pb_utils
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument


class TritonPythonModel:
    """One instance, one ONNX Runtime session."""

    def initialize(self, args):
        # With NumPy 2 the 2.51 stub hands over zeros and drops outputs while it answers OK.
        if int(np.__version__.split(".")[0]) >= 2:
            raise pb_utils.TritonModelException(f"the stub needs numpy < 2, it has {np.__version__}")
        config = json.loads(args["model_config"])
        threads = config.get("parameters", {}).get("intra_op_num_threads", {}).get("string_value", "1")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(threads)
        options.inter_op_num_threads = 1
        # Spinning threads would take the receiver's core while nothing is inferred.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.outputs = [o.name for o in self.session.get_outputs()]

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        wanted = list(request.requested_output_names()) or self.outputs
        feed = {n: pb_utils.get_input_tensor_by_name(request, n).as_numpy() for n in self.inputs}
        try:
            found = self.session.run(wanted, feed)
        except InvalidArgument as error:
            # Anything else that is raised here reaches the client as INTERNAL.
            refused = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(output_tensors=[], error=refused)
        tensors = [pb_utils.Tensor(n, np.ascontiguousarray(a)) for n, a in zip(wanted, found, strict=True)]
        return pb_utils.InferenceResponse(output_tensors=tensors)
