"""Average drop and increase: what the network's confidence loses or gains where the image is seen through its heatmap."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cambench.maps import widened, within_unit
from cambench.metrics.accuracy.predictions import Predict, checked
from cambench.metrics.faithfulness.drop_increase import change, of_class


class Seen(NamedTuple):
    """classes: those predicted on the whole images (N,). whole, through: their probabilities (N,) there and in x ∘ M."""

    classes: Tensor
    whole: Tensor
    through: Tensor


def average_drop(predict: Predict, image: Tensor, heatmap: Tensor) -> Tensor:
    """max(0, Y − O)/Y, with Y the probability of the predicted class in the image x and O in x ∘ M.

    Source: Chattopadhay et al. 2018, §4.1. Terms are `drop_increase.change`'s, of another image: there pixels are kept or
    not. image (N,3,H,W) normalised, heatmap (N,H,W) in [0,1] of the predicted class -> (N,) float64 in 0..1.
    Raises: as `seen`.
    """
    return change(*seen(predict, image, heatmap)[1:])[1]


def average_increase(predict: Predict, image: Tensor, heatmap: Tensor) -> Tensor:
    """1[Y < O], as `average_drop`; a tie is no increase. -> (N,) of 0 and 1 in float64."""
    return change(*seen(predict, image, heatmap)[1:])[2]


@torch.no_grad()
def seen(predict: Predict, image: Tensor, heatmap: Tensor) -> Seen:
    """The predicted classes, and their probabilities in the image and through its heatmap: two forward passes.

    Raises: CambenchError for maps that leave [0,1], or logits that are not finite.
    """
    shown = through(image, heatmap)
    whole = torch.softmax(widened(checked(predict(image), "logits of whole images")), 1)
    masked = torch.softmax(widened(checked(predict(shown), "logits of images seen through their maps")), 1)
    classes = whole.argmax(1)
    return Seen(classes, of_class(whole, classes), of_class(masked, classes))


def through(image: Tensor, heatmap: Tensor) -> Tensor:
    """x ∘ M, all colours alike: (N,3,H,W), (N,H,W) -> (N,3,H,W). Raises: CambenchError for maps that leave [0,1]."""
    return image * within_unit(heatmap, "images seen through their maps").to(image)[:, None]
