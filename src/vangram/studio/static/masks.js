// Masks of the photograph: what is painted with which painting, and what is kept.

export const summary = () => null;
