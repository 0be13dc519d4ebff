"""The training loop of every method: epochs, steps, validation, checkpoints, resume."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cambench import seeds
from cambench.data.loader import eval_batches
from cambench.data.views import View
from cambench.explainers import probe
from cambench.losses.cross_entropy import cross_entropy
from cambench.models.heads import learner
from cambench.objectives import Step
from cambench.objectives.network import Network, differentiate
from cambench.recipes.schema import TrainingRecipe
from cambench.stages import optimiser
from cambench.stages.batches import Phase, split
from cambench.stages.begin import keep
from cambench.stages.progress import Bar, bar, say
from cambench.store.checkpoints import load_checkpoint, restore_rng, rng_states, save_checkpoint
from cambench.store.runs import Run
from cambench.vocabulary import Batch, CambenchError, Dataset, NotFiniteError

CHECK_EVERY = 20  # steps between two looks at the loss on an accelerator, where each look waits for the device


class Loop:
    """One run's training. All state that matters is in the checkpoint: model, optimiser, epoch, best value, RNG states.

    There is one optimiser for all phases: it passes over parameters without a gradient, so that what only one phase trains
    has its momentum from that phase alone, as with an optimiser a phase.
    """

    def __init__(self, run: Run, recipe: TrainingRecipe, network: Network, seed: int) -> None:
        self.run, self.recipe, self.network = run, recipe, network
        self.optimizer = optimiser.build(network.model, recipe.optimizer)
        self.log: list[dict[str, Any]] = []
        self.epoch, self.best = 0, -1.0
        seeds.seed_all(seed, "global")
        self.resume()

    def resume(self) -> None:
        """Go on from `last.pt`, where there is one."""
        path = self.run.path / "last.pt"
        if not path.exists():
            return
        state = load_checkpoint(path)
        try:
            self.network.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch, self.best = state["epoch"], state["best"]
            restore_rng(state["rng"])
        except (KeyError, RuntimeError, ValueError) as e:
            raise CambenchError(f"{path}: not a checkpoint of this run ({str(e)[:200]}); delete it to train again.") from e
        self.log = self.run.log()[: self.epoch]
        self.run.write_log(self.log)
        say(f"{self.run.name}: going on after epoch {self.epoch} of {self.recipe.train.epochs}")

    def train(self, phases: Sequence[Phase], held_out: Dataset | None) -> None:
        """Every epoch that is left, its phases one after another; each ends with a checkpoint.

        An epoch's `lr` is the rate of the first parameter group in its last step.
        """
        first = phases[0].lessons
        for epoch in range(self.epoch, self.recipe.train.epochs):
            began = time.monotonic()
            values: dict[str, float] = {}
            for phase in phases:
                prefix = f"{phase.name}_" if phase.name else ""
                values |= {prefix + name: value for name, value in self.train_epoch(epoch, phase).items()}
            values["lr"] = self.optimizer.param_groups[0]["lr"]
            taken = time.monotonic() - began
            values["seconds"] = round(taken, 2)
            values["images_per_second"] = round(first.images / taken, 1)
            if held_out is not None:
                values |= self.validate(held_out, first.source)
            self.finish(epoch, values)

    def finish(self, epoch: int, values: dict[str, float]) -> None:
        """Put the epoch on disk: first its log line, then the checkpoint that makes it count."""
        self.epoch = epoch + 1
        self.log.append({"epoch": self.epoch, **values})
        self.run.write_log(self.log)
        shown = "  ".join(f"{k} {v:.4g}" for k, v in values.items() if k != "seconds")
        say(f"{self.run.name}: epoch {self.epoch}/{self.recipe.train.epochs}  {shown}")
        better = values.get("validation_accuracy", -1.0) > self.best
        self.best = max(self.best, values.get("validation_accuracy", -1.0))
        state = {
            "model": self.network.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "best": self.best,
            "rng": rng_states(),
        }
        if better:
            save_checkpoint(self.run.path / "best.pt", state)
        if self.epoch in self.recipe.train.kept:
            keep(self.run, self.epoch, state)
        save_checkpoint(self.run.path / "last.pt", state)

    def train_epoch(self, epoch: int, phase: Phase) -> dict[str, float]:
        """One pass over a phase's labelled images; returns the mean of every value, weighted by them."""
        settings, lessons, n = self.recipe.train, phase.lessons, len(phase.lessons.dataset)
        totals: dict[str, Tensor] = {}
        label = f"epoch {epoch + 1}/{settings.epochs} {phase.name}".rstrip()
        with bar(label, n) as progress, learning(self.network.model, self.recipe.model.frozen or phase.frozen):
            for i, batch in enumerate(lessons.epoch(epoch)):
                self.set_rate(epoch * lessons.steps + i, lessons.steps)
                self.optimizer.zero_grad(set_to_none=True)
                generator = seeds.generator(lessons.seed, "step", epoch, i)
                for name, value in self.backward(phase.step, batch, generator).items():
                    totals[name] = totals.get(name, torch.zeros((), device=value.device)) + value * len(batch.rows)
                self.check(totals["loss"], epoch, i)
                self.optimizer.step()
                self.show(progress, totals, len(batch.rows))
        self.check(totals["loss"], epoch, 0)
        return {name: float(total) / n for name, total in totals.items()}

    def backward(self, step: Step, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Accumulate the gradient of one batch, in `accumulate` parts; returns the batch's mean values."""
        sums: dict[str, Tensor] = {}
        for part in split(batch, self.recipe.train.accumulate):
            share = len(part.rows) / len(batch.rows)
            for name, value in differentiate(step(self.network, part, generator), share).items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value * share
        return sums

    def set_rate(self, step: int, steps: int) -> None:
        """The learning rate of a step, for every parameter group from its own first one."""
        schedule, epochs = self.recipe.schedule, self.recipe.train.epochs
        for group in self.optimizer.param_groups:
            group["lr"] = optimiser.learning_rate(schedule, group["initial_lr"], step=step, steps=steps, epochs=epochs)

    def check(self, total: Tensor, epoch: int, i: int) -> None:
        """Stop at a loss that is not finite, before it reaches a checkpoint."""
        if (total.is_cpu or i % CHECK_EVERY == 0) and not bool(torch.isfinite(total)):
            raise NotFiniteError(
                f"{self.run.name}: expected a finite loss, got {float(total)} in epoch {epoch + 1}, step {i}; the "
                f"checkpoint of epoch {self.epoch} is kept. Lower the rate (--set optimizer.lr=…) or lengthen the warm-up."
            )

    def show(self, progress: Bar, totals: dict[str, Tensor], n: int) -> None:
        """Advance the bar; read the values off the device only when they will be seen."""
        done = progress.done + n
        values = "  ".join(f"{k} {float(v) / done:.4g}" for k, v in totals.items()) if progress.due() else ""
        progress.advance(n, values)

    @torch.inference_mode()
    def validate(self, held_out: Dataset, source: Mapping[str, Any]) -> dict[str, float]:
        """Top-1 in percent and mean cross-entropy on the evaluation split, un-augmented."""
        recipe, given = self.recipe, self.recipe.input
        view = View(kind=given.evaluation, size=given.size, resize=given.resize or None, **given.colours._asdict())
        right, loss = 0, 0.0
        with bar("validation", len(held_out)) as progress:
            for batch in eval_batches(held_out, view, batch_size=recipe.train.batch_size, **source):
                logits = self.network.logits(batch.image)
                right += int((logits.argmax(1) == batch.label).sum())
                loss += float(cross_entropy(logits, batch.label)) * len(batch.rows)
                progress.advance(len(batch.rows))
        return {"validation_accuracy": 100 * right / len(held_out), "validation_loss": loss / len(held_out)}


@contextmanager
def learning(model: nn.Module, frozen: bool) -> Iterator[None]:
    """The model in train mode, or frozen: all but the part that learns stays in eval mode and without gradient.

    The batch norms of a frozen trunk keep their statistics, those above it learn. On leaving, the model is in eval mode.
    """
    if not frozen:
        model.train()
        yield
    else:
        model.eval()
        with probe.frozen(model):
            learner(model).train().requires_grad_(True)
            yield
    model.eval()
