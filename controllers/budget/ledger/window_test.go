package ledger_test

import (
	"math/rand/v2"
	"time"
	_ "time/tzdata"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

var _ = Describe("A calendar window", func() {
	DescribeTable("begins and ends", func(unit ledger.Calendar, zone, at, start, end string) {
		loc, err := time.LoadLocation(zone)
		Expect(err).NotTo(HaveOccurred())
		t, err := time.Parse(time.RFC3339, at)
		Expect(err).NotTo(HaveOccurred())
		s, e := ledger.CalendarPeriod(unit, t.In(loc))
		Expect([]string{s.In(loc).Format(time.RFC3339), e.In(loc).Format(time.RFC3339)}).To(Equal([]string{start, end}))
	},
		Entry("an hour", ledger.Hour, "UTC", "2026-11-27T10:59:59Z", "2026-11-27T10:00:00Z", "2026-11-27T11:00:00Z"),
		Entry("an hour where the offset is 45 minutes", ledger.Hour, "Asia/Kathmandu", "2026-11-27T10:20:00Z", "2026-11-27T16:00:00+05:45", "2026-11-27T17:00:00+05:45"),
		Entry("the first of two equal hours", ledger.Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"),
		Entry("the second of two equal hours", ledger.Hour, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"),
		Entry("half an hour, where clocks go back by that", ledger.Hour, "Australia/Lord_Howe", "2026-04-04T15:10:00Z", "2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00+10:30"),
		Entry("a day", ledger.Day, "Europe/Berlin", "2026-11-27T23:30:00Z", "2026-11-28T00:00:00+01:00", "2026-11-29T00:00:00+01:00"),
		Entry("a day of 23 hours", ledger.Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
		Entry("a day of 25 hours", ledger.Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
		Entry("a day that begins at one", ledger.Day, "Africa/Cairo", "2025-04-25T12:00:00Z", "2025-04-25T01:00:00+03:00", "2025-04-26T00:00:00+03:00"),
		Entry("the day before it", ledger.Day, "Africa/Cairo", "2025-04-24T12:00:00Z", "2025-04-24T00:00:00+02:00", "2025-04-25T01:00:00+03:00"),
		Entry("a day with one midnight more", ledger.Day, "America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"),
		Entry("a leap day", ledger.Day, "UTC", "2028-02-29T12:00:00Z", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
		Entry("a week, from Monday", ledger.Week, "UTC", "2026-11-29T23:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
		Entry("a week over the new year", ledger.Week, "UTC", "2027-01-01T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"),
		Entry("a February with a leap day", ledger.Month, "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
		Entry("a December", ledger.Month, "Asia/Kolkata", "2026-12-31T18:29:59Z", "2026-12-01T00:00:00+05:30", "2027-01-01T00:00:00+05:30"),
	)

	It("follows the one before it without a gap, in all zones and at all times", func() {
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 3))
		zones := []string{"UTC", "Europe/Berlin", "Africa/Cairo", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Beirut",
			"Atlantic/Azores", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca", "Asia/Tehran", "Pacific/Chatham", "America/Asuncion"}
		for range 20_000 {
			zone := zones[random.IntN(len(zones))]
			loc, err := time.LoadLocation(zone)
			Expect(err).NotTo(HaveOccurred())
			t := time.Date(2012, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(25 * 365 * 24 * time.Hour)))).In(loc)
			for _, unit := range []ledger.Calendar{ledger.Hour, ledger.Day, ledger.Week, ledger.Month} {
				s, e := ledger.CalendarPeriod(unit, t)
				by := unit + " " + ledger.Calendar(zone+" "+t.String())
				Expect(!s.After(t) && e.After(t)).To(BeTrue(), "%s: %s - %s", by, s, e)
				_, end := ledger.CalendarPeriod(unit, s.Add(-1).In(loc))
				Expect(end.Equal(s)).To(BeTrue(), "%s: the one before ends at %s, it begins at %s", by, end, s)
				Expect(s.Unix()%900).To(BeZero(), string(by))
			}
		}
	})
})
