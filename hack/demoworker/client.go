package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxAnswer = 1 << 20

// client asks one chat endpoint.
type client struct {
	base, key string
	model     string // "" until the server has told
	maxTokens int
	http      *http.Client
}

// answer is what came back.
type answer struct {
	text, model    string
	in, out, total int
}

func newClient(base, key string, timeout time.Duration) (*client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("cannot use base URL %q: it must be http://host:port/v1", base)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1"
	}
	return &client{base: strings.TrimRight(u.String(), "/"), key: key, http: &http.Client{Timeout: timeout}}, nil
}

// ask asks one question. Without a model it takes the first that the server lists, anew each time, so that a server that comes
// back with another one is no trouble.
func (c *client) ask(ctx context.Context, question string) (answer, error) {
	model := c.model
	if model == "" {
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if err := c.call(ctx, http.MethodGet, "/models", nil, &list); err != nil {
			return answer{}, err
		}
		if len(list.Data) == 0 {
			return answer{}, errors.New("the server lists no model")
		}
		model = list.Data[0].ID
	}
	body := map[string]any{"model": model, "max_tokens": c.maxTokens, "messages": []any{map[string]string{"role": "user", "content": question}}}
	var got struct {
		Model   string `json:"model"`
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
		Usage struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
			Total      int `json:"total_tokens"`
		} `json:"usage"`
	}
	if err := c.call(ctx, http.MethodPost, "/chat/completions", body, &got); err != nil {
		return answer{}, err
	}
	if len(got.Choices) == 0 {
		return answer{}, errors.New("the answer has no choices")
	}
	return answer{got.Choices[0].Message.Content, got.Model, got.Usage.Prompt, got.Usage.Completion, got.Usage.Total}, nil
}

// call sends one request and reads its answer; an error in OpenAI's shape is told by its message.
func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, send)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Error struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		_ = json.Unmarshal(b, &e)
		return fmt.Errorf("%s %s", resp.Status, e.Error.Message)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	return nil
}
