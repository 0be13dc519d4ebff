"""CALM: class activation latent mapping (Kim et al., ICCV 2021). The location z is a latent variable of the classifier.

p(y|x,z) = softmax of the class scores at each location, p(z|x) = h; their product is the joint p(y,z|x), whose sum over the
locations is the prediction p(y|x). Everything here runs in at least float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.maps import widened
from cambench.vocabulary import UsageError

POSTERIOR_EPSILON = 1e-10
PRIOR_FLOOR = 1e-8


def conditional_log_likelihood(g: Tensor, labels: Tensor) -> Tensor:
    """log p(y|x,z) of each image's label: class scores g (N,C,h,w), labels (N,) -> (N,h,w)."""
    if g.ndim != 4 or labels.shape != (len(g),):
        raise UsageError(f"calm: expected scores (N,C,h,w) and N labels, got {tuple(g.shape)} and {tuple(labels.shape)}.")
    index = labels.view(-1, 1, 1, 1).expand(-1, 1, *g.shape[2:])
    return torch.log_softmax(widened(g), 1).gather(1, index)[:, 0]


def calm_ml_loss(g: Tensor, h: Tensor, labels: Tensor) -> Tensor:
    """Marginal likelihood: L = −log Σ_z p(y|x,z)·p(z|x), mean over the batch.

    Source: CALM eq. 4. g (N,C,h,w) class scores before the softmax, h (N,h,w) = p(z|x), labels (N,) -> () in nats.
    """
    joint = conditional_log_likelihood(g, labels).exp() * widened(h)
    return -joint.sum((1, 2)).log().mean()


def calm_em_loss(g: Tensor, h: Tensor, labels: Tensor) -> Tensor:
    """Expectation-maximisation: L = −Σ_z q_z·(log p(y|x,z) + log p(z|x)), q the location's posterior, detached; batch mean.

    q_z = p(y,z|x) / (Σ_l p(y,l|x) + 1e-10); p(z|x) below 1e-8 is raised by 1e-8 before its logarithm. q is taken at the
    weights of the same step, so the gradient is that of `calm_ml_loss` (Fisher's identity), although the value is not.
    Source: CALM eq. 6, constants of the authors' code. Shapes as `calm_ml_loss`.
    """
    conditional, prior = conditional_log_likelihood(g, labels), widened(h)
    joint = (conditional.exp() * prior).detach()
    posterior = joint / (joint.sum((1, 2), keepdim=True) + POSTERIOR_EPSILON)
    raised = torch.where(prior < PRIOR_FLOOR, prior + PRIOR_FLOOR, prior)
    return -(posterior * (conditional + raised.log())).sum((1, 2)).mean()
