"""An explainer: a rule of the activation and of its gradient."""

from torch import Tensor

from cambench.explainers import Explainer


def elementwise_grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """M = Σ_k ReLU(G_k ⊙ A_k): both (N,K,h,w) -> (N,h,w), raw."""
    return (gradient * activation).relu().sum(1)


ELEMENTWISE_GRAD_CAM = Explainer(
    elementwise_grad_cam,
    "layer",
    summary="positive part of gradient × activation, summed over channels",
    source="pytorch-grad-cam, GradCAMElementWise",
    aliases={"element-wise-grad-cam": ""},
)
