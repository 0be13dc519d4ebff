"""Average drop and increase: what the network's confidence loses or gains where the image is seen through its heatmap."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.maps import widened, within_unit
from cambench.metrics.asked import Predict, checked
from cambench.metrics.faithfulness.drop_increase import change, of_class


def average_drop(predict: Predict, image: Tensor, heatmap: Tensor, explained: Tensor) -> Tensor:
    """max(0, Y − O)/Y, with Y the probability of the predicted class in the image x and O in x ∘ M.

    Source: Chattopadhay et al. 2018, §4.1. Terms are `drop_increase.change`'s, of another image: there pixels are kept or
    not. image (N,3,H,W) normalised; heatmap (N,H,W) in [0,1] and explained (N,), that of the predicted class and the class
    -> (N,) float64 in 0..1.
    Raises: as `confidences`.
    """
    return change(*confidences(predict, image, heatmap, explained))[1]


def average_increase(predict: Predict, image: Tensor, heatmap: Tensor, explained: Tensor) -> Tensor:
    """1[Y < O], as `average_drop`; a tie is no increase. -> (N,) of 0 and 1 in float64."""
    return change(*confidences(predict, image, heatmap, explained))[2]


@torch.no_grad()
def confidences(predict: Predict, image: Tensor, heatmap: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The probabilities Y and O (N,) of classes (N,), in the images and in what their heatmaps show: two forward passes.

    Raises: CambenchError for maps that leave [0,1], or logits that are not finite.
    """
    shown = through(image, heatmap)
    whole = checked(predict(image), "logits of whole images")
    masked = checked(predict(shown), "logits of images seen through their maps")
    y, o = (of_class(torch.softmax(widened(logits), 1), classes.to(logits.device)) for logits in (whole, masked))
    return y, o


def through(image: Tensor, heatmap: Tensor) -> Tensor:
    """x ∘ M, all colours alike: (N,3,H,W), (N,H,W) -> (N,3,H,W). Raises: CambenchError for maps that leave [0,1]."""
    return image * within_unit(heatmap, "images seen through their maps").to(image)[:, None]
