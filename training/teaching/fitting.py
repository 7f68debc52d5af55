"""The weights of taught labels, fitted to kept and new features; all others stay as they are.

What is fitted is linear in the features, and its loss is convex: there is one solution, found in
seconds, without a learning rate or a seed.

N decisions, M modalities, S subsets of them, D width, C activities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from activity_recognition.models.rehearsal import DecisionFeatures
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.run.losses import class_weights

DECAY = 1e-3
"""Weight of half the square of what is fitted, biases left out."""
_STEPS = 60
"""Of the optimiser at most."""


def fit_labels(
    system: ActivityRecognitionSystem, rows: DecisionFeatures, taught: Sequence[int]
) -> None:
    """Fit what a network knows of some labels, in place.

    Each modality's head learns by itself, where the modality is present. Where attention decides,
    the classifier learns as well, with everything and with each modality alone.

    Args:
        system: the network, with all labels.
        rows: decisions of all labels, kept ones without features where heads decide.
        taught: classes to fit.
    """
    weights = weights_of(rows, system.config.num_activities)
    for index, modality in enumerate(system.modalities):
        there = rows.present[:, index]
        head = system.unimodal_heads[modality.value]
        assert isinstance(head, nn.Linear)
        fit_rows(head, taught, rows.states[there, index], rows.targets[there], weights[there])
    if system.experts is None:
        inputs, place = _each_subset(rows)
        shares = weights / rows.features.shape[1]
        fit_rows(system.classifier, taught, inputs, rows.targets[place], shares[place])


def _each_subset(rows: DecisionFeatures) -> tuple[Tensor, Tensor]:
    """Return the features of each subset that sees something, and of which decision each is."""
    everything = rows.present.any(-1, keepdim=True)
    alone = [rows.present] if rows.features.shape[1] > 1 else []
    sees = torch.cat([everything, *alone], -1)
    place, subset = sees.nonzero(as_tuple=True)
    return rows.features[place, subset], place


def weights_of(rows: DecisionFeatures, num_classes: int) -> Tensor:
    """Return by how much each decision counts, float32 (N,).

    Each clip counts alike, however long it is, and classes by the square root of the inverse of how
    many clips they have, as in training.

    Args:
        rows: decisions.
        num_classes: C.
    """
    _, index, sizes = torch.unique(rows.clips, return_inverse=True, return_counts=True)
    return class_weights(clips_per_class(rows, num_classes).numpy())[rows.targets] / sizes[index]


def clips_per_class(rows: DecisionFeatures, num_classes: int) -> Tensor:
    """Return how many clips each class has, int64 (C,).

    Args:
        rows: decisions; all of a clip have one class.
        num_classes: C.
    """
    clips = torch.unique(torch.stack((rows.clips, rows.targets)), dim=1)
    return torch.bincount(clips[1], minlength=num_classes)


def fit_rows(
    layer: nn.Linear, rows: Sequence[int], inputs: Tensor, targets: Tensor, weights: Tensor
) -> None:
    """Fit some rows of a linear layer in place, by multinomial logistic regression over all.

    Args:
        layer: its other rows stay; without any others all are fitted.
        rows: numbers of the classes to fit.
        inputs: (N, D).
        targets: classes, (N,).
        weights: by how much each decision counts, (N,).
    """
    if not len(inputs):
        return
    classes, _ = layer.weight.shape
    chosen = torch.tensor(list(rows))
    fixed = torch.tensor([c for c in range(classes) if c not in set(rows)], dtype=torch.int64)
    with torch.no_grad():
        others = inputs @ layer.weight[fixed].T + layer.bias[fixed]
        start = float(layer.bias[fixed].mean()) if len(fixed) else 0.0
    # So that the classes lie as the columns of both parts, one behind the other.
    column = torch.empty(classes, dtype=torch.int64)
    column[torch.cat((fixed, chosen))] = torch.arange(classes)
    shares = weights / weights.sum()

    def loss_of(logits: Tensor) -> Tensor:
        joined_up = torch.cat((others, logits), -1)
        losses = functional.cross_entropy(joined_up, column[targets], reduction='none')
        return (losses * shares).sum()

    found = _minimise(loss_of, inputs, start, len(chosen))
    with torch.no_grad():
        layer.weight[chosen], layer.bias[chosen] = found


def _minimise(
    loss_of: Callable[[Tensor], Tensor], inputs: Tensor, start: float, count: int
) -> tuple[Tensor, Tensor]:
    """Return weight (count, D) and bias (count,) whose logits (N, count) have the least loss.

    Args:
        loss_of: logits.
        inputs: (N, D).
        start: of the biases.
        count: of classes.
    """
    weight = torch.zeros(count, inputs.shape[-1], requires_grad=True)
    bias = torch.full((count,), start, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, history_size=20, line_search_fn='strong_wolfe'
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = loss_of(inputs @ weight.T + bias) + 0.5 * DECAY * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return weight.detach(), bias.detach()


def fused_logits(system: ActivityRecognitionSystem, rows: DecisionFeatures) -> Tensor:
    """Return what a network says of decisions with all that is present, float32 (N, C).

    Args:
        system: the network.
        rows: decisions; of kept ones without features the bias of the classifier is taken alone.
    """
    with torch.no_grad():
        added: Tensor = system.classifier.bias.expand(len(rows), -1)
        if rows.features.shape[1]:
            added = system.classifier(rows.features[:, 0])
        if system.experts is None:
            return added
        heads = [
            system.unimodal_heads[modality.value](rows.states[:, index])
            for index, modality in enumerate(system.modalities)
        ]
        scaled = torch.stack(heads, 1) / system.experts.temperatures.view(1, -1, 1)
        evidence = (scaled - system.experts.log_prior) * rows.reliability.unsqueeze(-1)
        return evidence.sum(1) + added + system.experts.log_prior


def intruded(
    system: ActivityRecognitionSystem, kept: DecisionFeatures, taught: Sequence[int]
) -> tuple[int, int]:
    """Return how many kept clips of other labels are taken for a taught one, and of how many.

    Args:
        system: the network.
        kept: decisions of all labels; of a product of experts without what attention adds, which
            is the same for old labels and on average for new ones.
        taught: classes.
    """
    others = kept.select(~torch.isin(kept.targets, torch.tensor(list(taught))))
    if not len(others):
        return 0, 0
    log_probabilities = fused_logits(system, others).double().log_softmax(-1)
    _, index, sizes = torch.unique(others.clips, return_inverse=True, return_counts=True)
    total = log_probabilities.new_zeros(len(sizes), log_probabilities.shape[-1])
    answers = total.index_add(0, index, log_probabilities).argmax(-1)
    return int(torch.isin(answers, torch.tensor(list(taught))).sum()), len(sizes)
