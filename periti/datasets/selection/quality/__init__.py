"""Quality by pairwise judgments, as QuRating and CritiQ have it: who is preferred, a rater, criteria found by asking.

`judgments` and `judging` say which of two texts is better, `bradley_terry` and `rater` make one number of it for any
text, `selector` values a pool by raters, `held_out` measures, `critiq` finds criteria that agree with people.
"""
