package specs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// moneyDecimals is how many decimals an amount of money has: billionths.
const moneyDecimals = 9

var moneyText = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// ParseMoney reads a decimal number, such as 20.00, as billionths. It knows no sign, no exponent and no more than nine decimals, and counts to
// 9.2 billion.
func ParseMoney(s string) (int64, error) {
	whole, part, _ := strings.Cut(s, ".")
	if !moneyText.MatchString(s) {
		return 0, fmt.Errorf("is no decimal number, such as 20.00")
	}
	if len(part) > moneyDecimals {
		return 0, fmt.Errorf("has more than nine decimals")
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", moneyDecimals-len(part)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("is more than 9 billion")
	}
	return n, nil
}

// FormatMoney writes billionths as a decimal number, with at least two decimals and no more than it needs.
func FormatMoney(nano int64) string {
	sign := ""
	u := uint64(nano)
	if nano < 0 {
		sign, u = "-", -u
	}
	part := fmt.Sprintf("%09d", u%1e9)
	for len(part) > 2 && part[len(part)-1] == '0' {
		part = part[:len(part)-1]
	}
	return fmt.Sprintf("%s%d.%s", sign, u/1e9, part)
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
