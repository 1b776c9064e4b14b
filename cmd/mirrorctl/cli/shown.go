package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// shown is a table that goes on with every change. It keeps the last row of each object, to tell what changed while nobody told.
type shown struct {
	c       *command
	o       getOptions
	kind    *specs.Kind
	columns []metav1.TableColumnDefinition
	rows    map[string]metav1.TableRow // by uid
}

func (s *shown) following(path string) following {
	return following{path: path, accept: tableAccept, listed: s.listed, event: s.event}
}

// listed prints the first list, and of a later one what is new, what changed and, by its last row, what is gone.
func (s *shown) listed(list json.RawMessage) (bool, error) {
	var t metav1.Table
	if err := json.Unmarshal(list, &t); err != nil {
		return false, fmt.Errorf("cannot read a list: %v", err)
	}
	s.columns = t.ColumnDefinitions
	sortRows(s.kind, &t)
	before := s.rows
	s.rows = map[string]metav1.TableRow{}
	var news []metav1.TableRow
	for _, r := range t.Rows {
		o := rowObject(r)
		s.rows[string(o.UID)] = r
		if was, ok := before[string(o.UID)]; !ok || rowObject(was).ResourceVersion != o.ResourceVersion {
			news = append(news, r)
		}
		delete(before, string(o.UID))
	}
	for _, uid := range slices.Sorted(maps.Keys(before)) {
		news = append(news, before[uid])
	}
	s.print(news)
	return false, nil
}

func (s *shown) event(e watchEvent) (bool, error) {
	var t metav1.Table
	if err := json.Unmarshal(e.Object, &t); err != nil {
		return false, fmt.Errorf("cannot read a watch event: %v", err)
	}
	for _, r := range t.Rows {
		uid := string(rowObject(r).UID)
		if s.rows[uid] = r; e.Type == "DELETED" {
			delete(s.rows, uid)
		}
	}
	s.print(t.Rows)
	return false, nil
}

func (s *shown) print(rows []metav1.TableRow) {
	s.c.printTable(s.o, &metav1.Table{ColumnDefinitions: s.columns, Rows: rows}, "")
	s.o.noHeaders = true
}
