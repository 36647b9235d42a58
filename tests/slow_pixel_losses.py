"""The losses of pixels again, as plain loops over pixels and classes, written from the papers."""

import math


def softmax(logits):
    top = max(logits)
    powers = [math.exp(value - top) for value in logits]
    return [power / sum(powers) for power in powers]


def pixels_of(logits, target, weights=None, ignore=255):
    """(shares of the classes, wanted class, weight) of every valid pixel of the batch, in float64."""
    found = []
    batch, _, height, width = logits.shape
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                weight = 1.0 if weights is None else float(weights[b, i, j])
                if int(target[b, i, j]) != ignore and weight > 0:
                    found.append((softmax(logits[b, :, i, j].double().tolist()), int(target[b, i, j]), weight))
    return found


def cross_entropy(pixels, class_weights, smoothing):
    total = shares = 0.0
    for p, label, weight in pixels:
        classes = len(p)
        for k in range(classes):
            truth = (1 - smoothing) * (k == label) + smoothing / classes
            # The one right class has its weight, and the shares of smoothing have those of their classes.
            total -= weight * class_weights[k] * truth * math.log(p[k])
        shares += weight * class_weights[label]
    return total / shares


def focal(pixels, class_weights, gamma=2.0):
    total = sum(-w * class_weights[y] * (1 - p[y]) ** gamma * math.log(p[y]) for p, y, w in pixels)
    return total / sum(w * class_weights[y] for _, y, w in pixels)


def mean_over_wanted(pixels, loss_of_class):
    classes = sorted({y for _, y, _ in pixels})
    return sum(loss_of_class(k) for k in classes) / len(classes)


def dice(pixels):
    """Milletari et al. (2016), section 3."""

    def of(k):
        shared = sum(p[k] * (y == k) for p, y, _ in pixels)
        return 1 - 2 * shared / (sum(p[k] ** 2 for p, _, _ in pixels) + sum((y == k) ** 2 for _, y, _ in pixels))

    return mean_over_wanted(pixels, of)


def tversky(pixels, alpha=0.3, beta=0.7):
    """Salehi et al. (2017), eq. 3, with class k as the lesion and all others as the rest."""

    def of(k):
        right = sum(p[k] * (y == k) for p, y, _ in pixels)
        invented = sum(p[k] * (y != k) for p, y, _ in pixels)
        missed = sum((1 - p[k]) * (y == k) for p, y, _ in pixels)
        return 1 - right / (right + alpha * invented + beta * missed)

    return mean_over_wanted(pixels, of)


def jaccard_loss(wrong, mine):
    """1 - IoU of the class `mine` where the pixels `wrong` are predicted wrongly (Berman et al., 2018, eq. 5 and 6)."""
    union = mine | wrong
    return len(wrong) / len(union) if union else 0.0


def lovasz(pixels):
    """Berman et al. (2018), eq. 9: errors from the largest on, each times what it adds to the loss."""

    def of(k):
        errors = [1 - p[k] if y == k else p[k] for p, y, _ in pixels]
        mine = {i for i, (_, y, _) in enumerate(pixels) if y == k}
        order = sorted(range(len(errors)), key=lambda i: -errors[i])
        total = 0.0
        for i, pixel in enumerate(order):
            before, after = set(order[:i]), set(order[: i + 1])
            total += errors[pixel] * (jaccard_loss(after, mine) - jaccard_loss(before, mine))
        return total

    return mean_over_wanted(pixels, of)
