"""The training loop of every method: epochs, steps, validation, checkpoints, resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from cambench import processes, seeds
from cambench.data.loader import eval_batches
from cambench.data.views import View
from cambench.losses.cross_entropy import cross_entropy
from cambench.objectives import Step, shares
from cambench.objectives.network import Network, Terms, differentiate
from cambench.recipes.schema import TrainingRecipe
from cambench.stages import divergence
from cambench.stages.memory import Fitting, shortage
from cambench.stages.progress import Bar, bar, say
from cambench.stages.training import optimiser
from cambench.stages.training.learning import learning
from cambench.stages.training.lessons import Phase, split
from cambench.stages.training.parts import more_parts
from cambench.stages.training.shared_epochs import keep
from cambench.store.checkpoints import ANEW, load_checkpoint, restore_rng, rng_states, save_checkpoint
from cambench.store.runs import Run, in_percent
from cambench.vocabulary import Batch, CambenchError, Dataset, NotFiniteError, StoppedError, UsageError

CHECK_EVERY = 20  # steps between two looks at the loss on an accelerator, where each look waits for the device
ONE_VALUE = "Expected more than 1 value per channel"
"""What torch says of a batch norm that is given one value a channel in training."""


class Loop:
    """One run's training. All state that matters is in the checkpoint: model, optimiser, epoch, best value, RNG states.

    Of several processes each has all of it, computes its part of every batch, and takes the same step by the sum of the
    gradients; process 0 alone writes. (torch's DDP cannot: a step differentiates several terms, CGC's twice.)
    There is one optimiser for all phases. It leaves out parameters without a gradient, so what only one phase trains has its
    momentum from that phase alone.
    """

    def __init__(self, run: Run, recipe: TrainingRecipe, network: Network, seed: int) -> None:
        self.run, self.recipe, self.network = run, recipe, network
        self.optimizer = optimiser.build(network.model, recipe.optimizer)
        self.log: list[dict[str, Any]] = []
        self.epoch, self.best, self.seed = 0, -1.0, seed
        self.parts: dict[str, int] = {}
        seeds.seed_all(seed, "global")
        self.resume()
        processes.follow([*network.model.state_dict().values()])

    def resume(self) -> None:
        """Continue from `last.pt`, where there is one."""
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
            raise CambenchError(f"{path}: not a checkpoint of this run ({str(e)[:200]}); {ANEW}.") from e
        self.log = self.run.log()[: self.epoch]
        self.run.write_log(self.log)
        say(f"{self.run.name}: going on after epoch {self.epoch} of {self.recipe.train.epochs}")

    def train(self, phases: Sequence[Phase], held_out: Dataset | None, terminated: Callable[[], bool]) -> None:
        """Train every epoch that is left, its phases one after another; each ends with a checkpoint.

        An epoch's `lr` is the rate of the first parameter group in its last step. terminated: whether to stop between two.
        Raises: StoppedError where it is, with an epoch left.
        """
        first = phases[0].lessons
        for epoch in range(self.epoch, self.recipe.train.epochs):
            began = time.monotonic()
            if processes.rank():  # what a network draws itself, as dropout; process 0 draws on from its checkpoint
                seeds.seed_all(self.seed, "global", processes.rank(), epoch)
            values: dict[str, float] = {}
            for phase in phases:
                prefix = f"{phase.name}_" if phase.name else ""
                values |= in_percent({prefix + name: v for name, v in self.train_epoch(epoch, phase).items()})
            values["lr"] = self.optimizer.param_groups[0]["lr"]
            seconds = time.monotonic() - began
            values |= {"seconds": round(seconds, 2), "images_per_second": round(first.images / seconds, 1)}
            if held_out is not None:
                values |= self.validate(held_out, first.source)
            self.check_state(epoch, values)
            self.finish(epoch, values)
            self.warn(first.dataset, held_out)
            if any(processes.summed(terminated())) and self.epoch < self.recipe.train.epochs:
                done = f"after epoch {self.epoch} of {self.recipe.train.epochs}"
                raise StoppedError(f"{self.run.name}: stopped by SIGTERM {done}; the same command goes on from there.")
        self.warn(first.dataset, held_out)  # a call that was killed may not have come to it

    def warn(self, dataset: Dataset, held_out: Dataset | None) -> None:
        """Say once what has gone wrong, and keep it in `run.json`, from where every record of the run takes it."""
        if processes.rank():
            return
        known = self.run.info.warnings
        warnings = divergence.warnings(self.run, dataset, held_out, epochs=self.recipe.train.epochs)
        for sentence in warnings:
            if sentence not in known:
                say(f"{self.run.name}: warning: {sentence}")
        if warnings != known:
            self.run = self.run.save(warnings=warnings)

    def finish(self, epoch: int, values: dict[str, float]) -> None:
        """Put the epoch on disk: first its log line, then the checkpoint that makes it count."""
        self.epoch = epoch + 1
        self.log.append({"epoch": self.epoch, **values})
        self.run.write_log(self.log)
        shown = "  ".join(f"{k} {v:.4g}" for k, v in values.items() if k != "seconds")
        say(f"{self.run.name}: epoch {self.epoch}/{self.recipe.train.epochs}  {shown}")
        accuracy = values.get("validation_accuracy", -1.0)
        better, self.best = accuracy > self.best, max(self.best, accuracy)
        if processes.rank():
            return
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
        network, given = self.network.model, self.recipe.model
        label = f"epoch {epoch + 1}/{settings.epochs} {phase.name}".rstrip()
        with bar(label, n) as progress, learning(network, given.frozen or phase.frozen, given.frozen_bn):
            for i, batch in enumerate(lessons.epoch(epoch)):
                self.learn(phase, batch, totals, epoch, i)
                self.show(progress, totals, shares.whole(batch))
        self.check(totals["loss"], epoch, 0)
        return {name: float(total) / n for name, total in totals.items()}

    def learn(self, phase: Phase, batch: Batch, totals: dict[str, Tensor], epoch: int, i: int) -> None:
        """Step i of an epoch: gradient and update of the weights; the batch's values, times its images, join the totals."""
        lessons, n = phase.lessons, shares.whole(batch)
        self.set_rate(epoch * lessons.steps + i, lessons.steps)
        self.optimizer.zero_grad(set_to_none=True)
        generator = seeds.generator(lessons.seed, "step", epoch, i)
        for name, value in self.fitted(phase, batch, generator).items():
            totals[name] = totals.get(name, torch.zeros((), device=value.device)) + value * n
        if i == 0:
            self.started(phase, totals["loss"] / n, epoch)
        self.check(totals["loss"], epoch, i)
        self.clip()
        self.optimizer.step()
        processes.follow([*self.network.model.buffers()])

    def fitted(self, phase: Phase, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """`backward`, in twice as many parts where the device's memory does not suffice and the result stays the same.

        Raises: CambenchError where it does not.
        """
        while True:
            try:
                return self.backward(phase.step, batch, generator, self.parts_of(phase))
            except torch.OutOfMemoryError as e:
                reason = shortage(e)
            self.optimizer.zero_grad(set_to_none=True)
            self.parts[phase.name] = more_parts(
                phase.name or self.recipe.objective, self.network.model, batch, self.parts_of(phase), reason
            )

    def parts_of(self, phase: Phase) -> int:
        """In how many parts a phase learns from a batch: as the recipe says, or in more, for want of memory."""
        return self.parts.get(phase.name, self.recipe.train.accumulate)

    def backward(self, step: Step, batch: Batch, generator: torch.Generator, parts: int) -> dict[str, Tensor]:
        """Accumulate the gradient of one batch, in so many parts, of all processes; returns its mean values."""
        sums: dict[str, Tensor] = {}
        for part in split(batch, parts):
            share = part.shares[0].weight * part.shares[0].part if part.shares else len(part.rows) / len(batch.rows)
            for name, value in self.differentiated(step(self.network, part, generator), share, part).items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value * share
        gradients = [p.grad for p in self.network.model.parameters() if p.grad is not None]
        processes.add_up([*gradients, *sums.values()])
        return sums

    def differentiated(self, terms: Terms, share: float, part: Batch) -> dict[str, Tensor]:
        """`differentiate`, for the images of one pass.

        Raises: UsageError where batch norm is given one value a channel, which has no variance.
        """
        try:
            return differentiate(terms, share)
        except ValueError as e:
            if ONE_VALUE not in str(e):
                raise
            settings, size = self.recipe.train, self.recipe.input.size
            raise UsageError(
                f"{self.run.name}: batch norm expected more than 1 value a channel, got 1: a pass over {len(part.rows)} "
                f"image of {size} px whose map is 1×1 (train.batch_size {settings.batch_size}, train.accumulate "
                f"{settings.accumulate}, and what they leave of the images). Set another train.batch_size, a smaller "
                "train.accumulate or a larger input.size (--set)."
            ) from e

    def started(self, phase: Phase, loss: Tensor, epoch: int) -> None:
        """Keep the loss of a phase's first batch, against which its epochs are judged."""
        name, known = f"{phase.name}_loss" if phase.name else "loss", self.run.info.loss_at_start
        if name not in known:
            self.check(loss, epoch, 0)
            self.run = self.run.save(loss_at_start={**known, name: float(loss)})

    def clip(self) -> None:
        """Scale the gradient of the step down to the recipe's greatest norm, where it names one."""
        if self.recipe.optimizer.clip:
            nn.utils.clip_grad_norm_(self.network.model.parameters(), self.recipe.optimizer.clip)

    def set_rate(self, step: int, steps: int) -> None:
        """The learning rate of a step, for every parameter group from its own first one."""
        schedule, epochs = self.recipe.schedule, self.recipe.train.epochs
        for group in self.optimizer.param_groups:
            group["lr"] = optimiser.learning_rate(schedule, group["initial_lr"], step=step, steps=steps, epochs=epochs)

    def check(self, total: Tensor, epoch: int, i: int) -> None:
        """Stop at a loss that is not finite, before it reaches a checkpoint."""
        if (total.is_cpu or i % CHECK_EVERY == 0) and not bool(torch.isfinite(total)):
            mend = divergence.GENTLER if epoch or i else divergence.BEGINNING
            self.stop("a finite loss", f"{float(total)} in epoch {epoch + 1}, step {i}", mend)

    def check_state(self, epoch: int, values: Mapping[str, float]) -> None:
        """Stop where an epoch's values or the weights it leaves are not finite, before they reach log and checkpoint."""
        state = self.network.model.state_dict()
        bad = [f"{name} {value}" for name, value in values.items() if not math.isfinite(value)]
        bad += [f"{name} with NaN or infinity" for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
        if bad:
            self.stop("finite values and weights", f"{bad[0]} after epoch {epoch + 1}")

    def stop(self, expected: str, got: str, mend: str = divergence.GENTLER) -> NoReturn:
        """Stop the training, and keep the reason in `run.json`. Raises: NotFiniteError."""
        other = [warning for warning in self.run.info.warnings if not warning.startswith(divergence.STOPPED)]
        self.run = self.run.save(warnings=[*other, f"{divergence.STOPPED}expected {expected}, got {got}"])
        kept = f"the checkpoint of epoch {self.epoch}" if self.epoch else "no checkpoint"
        raise NotFiniteError(f"{self.run.name}: expected {expected}, got {got}; {kept} is kept. {mend}")

    def show(self, progress: Bar, totals: dict[str, Tensor], n: int) -> None:
        """Advance the bar; read the values off the device only when the bar is drawn."""
        done = progress.done + n
        means = in_percent({name: float(total) / done for name, total in totals.items()}) if progress.due() else {}
        progress.advance(n, "  ".join(f"{name} {mean:.4g}" for name, mean in means.items()))

    @torch.inference_mode()
    def validate(self, held_out: Dataset, source: Mapping[str, Any]) -> dict[str, float]:
        """Top-1 in percent and mean cross-entropy on the evaluation split, un-augmented."""
        recipe, given = self.recipe, self.recipe.input
        own = {**given.colours._asdict(), "interpolation": given.interpolation}
        view = View(kind=given.evaluation, size=given.size, resize=given.resize or None, **own)
        right, loss, predict = 0, 0.0, Fitting(self.network.logits, "validation")
        with bar("validation", len(held_out)) as progress:
            rows = processes.slice_of(len(held_out))
            for batch in eval_batches(held_out, view, batch_size=recipe.train.batch_size, rows=rows, **source):
                logits = predict(batch.image)
                right += int((logits.argmax(1) == batch.label).sum())
                loss += float(cross_entropy(logits, batch.label)) * len(batch.rows)
                progress.advance(len(batch.rows))
        hits, total = processes.summed(right, loss)
        return {"validation_accuracy": 100 * hits / len(held_out), "validation_loss": total / len(held_out)}
