"""The classifiers of scikit-learn: a naive baseline, two linear models and an SVM.

scikit-learn is imported when a classifier is built, not before: checking params.yaml does not
need it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from speech.classifiers.protocol import in_parts
from speech.errors import UserError
from speech.storage.examples import Examples, Form

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

Penalty = Annotated[float, Field(gt=0, le=1e6)]
MaxExamples = Annotated[int, Field(ge=100, le=100_000_000)]

_AT_ONCE = 10_000
"""How many examples are predicted at a time."""

_MARGINS_AT_ONCE = 20_000_000
"""How many margins between labels, and kernel values, are held at a time; each takes 28 bytes."""


class ScikitClassifier:
    """A scikit-learn estimator under the protocol of `speech.classifiers.protocol.Classifier`."""

    form: Form = "pooled"
    trains_in_epochs = False
    calibration_fits = 3
    curves: ClassVar[list[dict[str, float]]] = []

    estimator: "BaseEstimator"
    """Set by each classifier's own ``__init__``."""

    max_examples: int | None = None
    """What a fit learns from at most, chunks and copies of chunks; of more it draws a sample."""

    seed = 0
    """Of that draw."""

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return [str(name) for name in self.estimator.classes_]

    def fit(
        self,
        training: Examples,
        validation: Examples | None = None,  # noqa: ARG002
    ) -> Self:
        """Learn from training data and its copies; nothing here is trained in epochs."""
        from sklearn.base import clone

        inputs, labels = training.with_copies(self.max_examples, self.seed)
        self.estimator = clone(self.estimator).fit(inputs, labels)
        return self

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return np.concatenate([self._predict(part) for part in in_parts(inputs, _AT_ONCE)])

    def _predict(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        return self.estimator.predict_proba(inputs).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the estimator as JSON and safetensors."""
        from speech.classifiers.estimator_file import write_estimator

        folder.mkdir(parents=True, exist_ok=True)
        write_estimator(folder, self.estimator)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        from speech.classifiers.estimator_file import read_estimator

        classifier = cls()
        classifier.estimator = read_estimator(folder, classifier.estimator)
        return classifier


class DummyBaseline(ScikitClassifier):
    """Predicts by how frequent each label is, whatever the input; nothing to calibrate."""

    calibration_fits = 0

    def __init__(self, *, seed: int = 0) -> None:
        from sklearn.dummy import DummyClassifier

        self.estimator = DummyClassifier(random_state=seed)


class LogisticModel(ScikitClassifier):
    """Multinomial logistic regression on standardised features."""

    def __init__(
        self,
        *,
        C: Penalty = 0.03,  # noqa: N803
        max_iter: Annotated[int, Field(ge=10, le=1_000_000)] = 2000,
        max_examples: MaxExamples | None = 200_000,
        seed: int = 0,
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self.max_examples, self.seed = max_examples, seed
        regression = LogisticRegression(
            C=C, max_iter=max_iter, class_weight="balanced", random_state=seed
        )
        self.estimator = _standardised(regression)


class SvmModel(ScikitClassifier):
    """Support vector machine on standardised features, one machine for each two labels.

    It has margins and no probabilities. A label's score is its smallest margin over another label;
    unlike the number of machines that favour it, this separates near misses from clear ones. The
    softmax of the scores still needs a temperature.
    """

    def __init__(
        self,
        *,
        C: Penalty = 3.0,  # noqa: N803
        kernel: Literal["rbf", "linear"] = "rbf",
        gamma: Annotated[float, Field(gt=0, le=1e6)] | Literal["scale", "auto"] = 0.001,
        max_examples: MaxExamples | None = 20_000,
        seed: int = 0,
    ) -> None:
        from sklearn.svm import SVC

        self.max_examples, self.seed = max_examples, seed
        machine = SVC(
            C=C,
            kernel=kernel,
            gamma=gamma,
            class_weight="balanced",
            decision_function_shape="ovo",
            # The shrinking heuristic costs more than it saves where an RBF machine is found in
            # about as many iterations as there are examples; a linear one takes many more.
            shrinking=kernel == "linear",
        )
        self.estimator = _standardised(machine)

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the softmax of each label's smallest margin over another label."""
        cells = len(self.classes) ** 2 + len(self.estimator[-1].support_)
        size = max(1, min(_AT_ONCE, _MARGINS_AT_ONCE // cells))
        return np.concatenate([self._predict(part) for part in in_parts(inputs, size)])

    def _predict(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        from scipy.special import softmax

        count = len(self.classes)
        parts = self._parts_of_margins(inputs)
        first, second = np.triu_indices(count, k=1)
        margins = parts[:, first, second] + parts[:, second, first]
        margins += self.estimator[-1].intercept_
        if count == 2:
            # Of two labels, scikit-learn's margin is positive for the second.
            margins = -margins
        over = np.full(parts.shape, np.inf)
        over[:, first, second] = margins
        over[:, second, first] = -margins
        return softmax(over.min(axis=2), axis=1).astype(np.float32)

    def _parts_of_margins(self, inputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Sum over each label's support vectors, for its margin over each other label.

        By matrix products, which take a fraction of the time of
        `sklearn.svm.SVC.decision_function`: that looks at one example after the other.
        """
        from sklearn.metrics.pairwise import pairwise_kernels

        scaler, machine = self.estimator[0], self.estimator[-1]
        scaled = scaler.transform(inputs).astype(np.float64)
        options = {"gamma": machine._gamma} if machine.kernel == "rbf" else {}
        kernel = pairwise_kernels(scaled, machine.support_vectors_, machine.kernel, **options)
        ends = np.cumsum(machine.n_support_)
        parts = np.zeros((len(inputs), len(ends), len(ends)))
        for label, (stop, own) in enumerate(zip(ends, machine.n_support_, strict=True)):
            vectors = slice(stop - own, stop)
            others = np.arange(len(ends)) != label
            parts[:, label, others] = kernel[:, vectors] @ machine.dual_coef_[:, vectors].T
        return parts


class LdaModel(ScikitClassifier):
    """Linear discriminant analysis on standardised features, all labels equally likely a priori.

    It learns one mean per label, and one covariance of all labels together. So a label with a
    minute of speech counts like the others.
    """

    def __init__(
        self,
        *,
        shrinkage: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = 0.3,
        max_examples: MaxExamples | None = 500_000,
        seed: int = 0,
    ) -> None:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        self.max_examples, self.seed = max_examples, seed
        self.estimator = _standardised(
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
        )

    def fit(self, training: Examples, validation: Examples | None = None) -> Self:
        """Learn from training data and its copies."""
        count = len(np.unique(training.labels))
        if len(training) * (1 + len(training.copies)) <= count:
            raise UserError(
                "models: lda needs a label with two chunks to learn from, and here each has one; "
                "take it out of models, or add recordings."
            )
        from sklearn.base import clone

        # Copies of a classifier share the estimator, so the priors are set on a new one.
        self.estimator = clone(self.estimator)
        self.estimator[-1].set_params(priors=np.full(count, 1 / count))
        super().fit(training, validation)
        # Of no use for predicting, and many times larger than what is.
        del self.estimator[-1].covariance_
        return self


def _standardised(estimator: "BaseEstimator") -> "BaseEstimator":
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), estimator)
