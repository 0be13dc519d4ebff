"""An explainer: a rule of the activation and of its gradient."""

from torch import Tensor

from cambench.explainers import Explainer


def xgrad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """M = Σ_k w_k·A_k with w_k = Σ A_k·G_k / Σ A_k, 0 for a channel without activation: both (N,K,h,w) -> (N,h,w), raw."""
    total = activation.sum((2, 3), keepdim=True)
    weight = (activation * gradient).sum((2, 3), keepdim=True) / total
    return (weight.where(total != 0, 0) * activation).sum(1)


XGRAD_CAM = Explainer(
    xgrad_cam,
    "layer",
    summary="mean of the gradient, weighed by the activation, weighs the activations; no ReLU here",
    source="Fu et al. 2020",
    aliases={"x-grad-cam": ""},
)
