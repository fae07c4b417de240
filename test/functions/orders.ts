/** An order as a client sends it: 12 x 14.00 less 10 % is 151.20. */
export const line = {
  productId: "11",
  quantity: 12,
  unitPrice: { amount: 1_400, currency: "USD" },
  discountPercent: 10,
};

export const order = { customerId: "VINET", lines: [line] };
